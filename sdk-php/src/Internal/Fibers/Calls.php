<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\CallFailed;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Pieces;

/** @internal CALLs and SWAPs of several fibers that are under way, each of which waits for its own (SPEC.md §10.4). */
final class Calls
{
    /** @var array<int, array{?Wait, Pieces, ?list<mixed>}> by stream; without a wait: given up */
    private array $open = [];
    /** @var list<Wait> those for which there is no room yet */
    private array $waiting = [];

    public function __construct(private readonly Strands $strands)
    {
    }

    /**
     * @param \Closure(): int $ask sends the question, and says on which stream
     *
     * @throws CallFailed
     * @throws LinkError
     */
    public function ask(\Closure $ask, int $most): mixed
    {
        while (\count($this->open) >= $most) {
            $this->suspend($wait = $this->waiting[] = new Wait(Scheduler::reactor()),
                fn (): bool => \count($this->open) < $most);
            $this->waiting = \array_values(\array_filter($this->waiting, static fn ($one): bool => $one !== $wait));
        }
        $stream = $ask();
        $this->open[$stream] = [new Wait(Scheduler::reactor()), new Pieces(), null];
        try {
            $this->suspend($this->open[$stream][0], fn (): bool => $this->open[$stream][2] !== null);
        } catch (\Throwable $e) {
            if ($this->open[$stream][2] === null) { // the host owes an answer still
                $this->open[$stream][0] = null;
                $this->strands->link->send([Frame::RESET, $stream, Frame::CODE_CANCELLED]);
            } else {
                $this->close($stream);
            }
            throw $e;
        }
        [, $pieces, $message] = $this->open[$stream];
        $this->close($stream);

        return match (true) {
            $message === null => throw new CallFailed('the host is gone'),
            $message[0] === Frame::RESET => throw new CallFailed('the host knows no connections; it is older than '
                . 'this SDK', CallFailed::UNIMPLEMENTED),
            $message[2] !== '' => throw new CallFailed("the host says: {$message[2]}", $message[4]),
            default => $pieces->value($message[3]),
        };
    }

    /** @param \Closure(): bool $done */
    private function suspend(Wait $wait, \Closure $done): void
    {
        if (!$this->strands->link->hasEnded() && !$wait->suspend(Scheduler::context())) {
            $this->strands->block($done);
        }
    }

    /** Takes what the host says of one. @param list<mixed> $message @throws LinkError */
    public function take(array $message, int $size): void
    {
        $stream = $message[1];
        if (!isset($this->open[$stream])) {
            return;
        }
        [$wait, $pieces] = $this->open[$stream];
        if ($message[0] === Frame::RESULT && $message[2] === '' && !$pieces->add($message, $size)) {
            return;
        }
        if ($wait === null) {
            $this->close($stream);

            return;
        }
        $this->open[$stream][2] = $message;
        $wait->end();
    }

    private function close(int $stream): void
    {
        unset($this->open[$stream]);
        ($this->waiting[0] ?? null)?->end();
    }

    /** The link is at its end. */
    public function lose(): void
    {
        foreach ($this->open as [$wait]) {
            $wait?->end();
        }
        foreach ($this->waiting as $wait) {
            $wait->end();
        }
    }
}
