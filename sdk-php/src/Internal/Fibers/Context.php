<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

/** @internal A fiber of ours: whose it is, what it waits for, and whether it is to give up. */
final class Context
{
    public ?Wait $wait = null;
    /** What is thrown at its next wait, since it has not heard yet that nobody needs it any more. */
    public ?\Throwable $pending = null;
    private bool $told = false;

    /** @param Strand|null $strand whose request or event it works for; null: none, as in a timer */
    public function __construct(public readonly ?Strand $strand)
    {
    }

    /** Has it give up, where it waits now or next in Async or for a call: once, so that it may wait to clean up. */
    public function cancel(\Throwable $why): void
    {
        if ($this->told) {
            return;
        }
        $this->told = true;
        if ($this->wait?->end($why) !== true) {
            $this->pending = $why;
        }
    }

    /** It works for another request or event from now on. */
    public function renew(): void
    {
        $this->told = false;
        $this->pending = null;
    }
}
