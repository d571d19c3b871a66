<?php

declare(strict_types=1);

namespace WorkerHost\Tests\Support;

use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Headers;

/** What a worker said on one stream. */
final class Answer
{
    public int $status = 0;
    /** @var array<array-key, non-empty-list<string>> */
    public array $headers = [];
    public string $body = '';
    public ?string $file = null;
    /** @var list<string>|null */
    public ?array $trailers = null;
    /** @var list<array{int, list<string>}> */
    public array $informs = [];
    public bool $ended = false;
    public bool $done = false;
    public bool $died = false;
    public ?int $reset = null;
    /** @var list<int> the types of the frames, in order */
    public array $types = [];

    /** @param list<mixed> $message */
    public function take(array $message): void
    {
        $this->types[] = $message[0];
        switch ($message[0]) {
            case Frame::INFORM:
                $this->informs[] = [$message[2], $message[3]];
                break;
            case Frame::RESPONSE:
                [2 => $flags, 3 => $this->status, 5 => $body, 6 => $this->file] = $message;
                $this->headers = Headers::lists($message[4]);
                $this->body .= $body ?? '';
                $this->flags($flags);
                break;
            case Frame::DATA:
                $this->body .= $message[3];
                $this->trailers = $message[4];
                $this->flags($message[2]);
                break;
            case Frame::RESET:
                $this->reset = $message[2];
                break;
            case Frame::DONE:
                $this->done = true;
                break;
        }
    }

    private function flags(int $flags): void
    {
        $this->ended = $this->ended || ($flags & Frame::FLAG_END) !== 0;
        $this->done = ($flags & Frame::FLAG_DONE) !== 0;
    }
}
