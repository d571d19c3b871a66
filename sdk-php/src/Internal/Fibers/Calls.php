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
        while (!$this->hasRoom($most)) {
            $this->suspend($this->waiting[] = new Wait(Scheduler::reactor()), fn (): bool => $this->hasRoom($most));
        }
        try {
            $stream = $ask();
        } catch (\Throwable $e) {
            $this->wake();
            throw $e;
        }
        $this->open[$stream] = [new Wait(Scheduler::reactor()), new Pieces(), null];
        try {
            $this->suspend($this->open[$stream][0], fn (): bool => $this->open[$stream][2] !== null);
        } catch (\Throwable $e) {
            if ($this->open[$stream][2] === null) { // the host owes an answer still
                $this->open[$stream][0] = null;
                $this->strands->link->send([Frame::RESET, $stream, Frame::CODE_CANCELLED]);
            } else {
                unset($this->open[$stream]);
            }
            throw $e;
        }
        [, $pieces, $message] = $this->open[$stream];
        unset($this->open[$stream]);

        return match (true) {
            $message === null => throw new CallFailed('the host is gone'),
            $message[0] === Frame::RESET => throw new CallFailed('the host knows no connections; it is older than '
                . 'this SDK', CallFailed::UNIMPLEMENTED),
            $message[2] !== '' => throw new CallFailed("the host says: {$message[2]}", $message[4]),
            default => $pieces->value($message[3]),
        };
    }

    /** Whether one more may be under way; those are not whose answer has come. @throws CallFailed if none may ever */
    private function hasRoom(int $most): bool
    {
        if (\count($this->open) < $most) {
            return true;
        }
        if ($this->strands->link->hasEnded()) {
            throw new CallFailed('the host is gone');
        }

        return \count(\array_filter($this->open, static fn (array $one): bool => $one[2] === null)) < $most;
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
            unset($this->open[$stream]);
        } else {
            $this->open[$stream][2] = $message;
            $wait->end();
        }
        $this->wake();
    }

    /** There is room for one more. Those that have given up are passed over. */
    private function wake(): void
    {
        while (($wait = \array_shift($this->waiting)) !== null && !$wait->end());
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
