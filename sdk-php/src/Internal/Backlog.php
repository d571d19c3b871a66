<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal What was read and is not taken up yet, and the way back for what will not be (SPEC.md §4.5). */
final class Backlog
{
    /** How many REQUESTs may come ahead (§3.6). */
    public int $maxAhead = Frame::MAX_AHEAD;
    /** @var list<list<mixed>> REQUESTs that came ahead, while another one was at hand */
    public array $ahead = [];
    /** @var list<list<mixed>> what was read while something else was looked for, in order */
    public array $kept = [];

    public function __construct(private readonly FrameWriter $writer)
    {
    }

    public function isEmpty(): bool
    {
        return $this->ahead === [] && $this->kept === [];
    }

    /** Keeps a REQUEST that came ahead. @param list<mixed> $request @throws LinkError if there are too many */
    public function hold(array $request): void
    {
        if (\count($this->ahead) >= $this->maxAhead) {
            throw new LinkError("{$this->maxAhead} REQUESTs ahead at the most", "REQUEST {$request[1]}", '4.5');
        }
        $this->ahead[] = $request;
    }

    /** Gives a REQUEST or an event that came ahead back, if it is there. @param list<mixed> $reset the RESET for it */
    public function drop(array $reset): void
    {
        foreach ($this->ahead as $i => $request) {
            if ($request[1] === $reset[1]) {
                \array_splice($this->ahead, $i, 1);
                $this->giveBack($reset);
            }
        }
    }

    /** Gives what the stream was opened for back if a RESET for it was kept; whether it was. */
    public function recalled(int $stream): bool
    {
        foreach ($this->kept as $message) {
            if ($message[0] === Frame::RESET && $message[1] === $stream) {
                $this->giveBack($message);

                return true;
            }
        }

        return false;
    }

    /**
     * Answers a RESET for what was not begun. What was asked back is refused, so that the host knows.
     *
     * @param list<mixed> $reset
     */
    private function giveBack(array $reset): void
    {
        $refusal = $reset[2] === Frame::CODE_RECALLED
            ? $this->writer->frame([Frame::RESET, $reset[1], Frame::CODE_REFUSED, 'recalled'])
            : '';
        $this->writer->write($refusal . $this->writer->frame([Frame::DONE, $reset[1]]));
    }
}
