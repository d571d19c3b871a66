<?php

declare(strict_types=1);

namespace WorkerHost;

/** A function that runs later, as Worker::after() has arranged it. */
final class Timer
{
    /** @internal whether it runs at this moment */
    public bool $running = false;

    /**
     * @internal
     *
     * @param \Closure(): mixed $function
     * @param int               $interval nanoseconds before it runs, and between two runs
     * @param bool              $again    whether it runs more than once
     * @param int               $due      when it runs, on hrtime()'s clock
     */
    public function __construct(
        public readonly \Closure $function,
        public readonly int $interval,
        public readonly bool $again,
        public int $due,
        public bool $cancelled = false,
    ) {
    }

    /** Has it run no more. One that is over stays so, and the run that is under way goes on. */
    public function cancel(): void
    {
        $this->cancelled = true;
    }
}
