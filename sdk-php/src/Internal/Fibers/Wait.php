<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\Internal\Printed;

/** @internal A fiber, or the code outside of all, that waits for one thing. */
final class Wait
{
    private bool $over = false;
    private ?\Fiber $fiber = null;
    private ?\Throwable $thrown = null;
    private ?Strand $strand = null;

    /** @param bool $firm whether it goes on when nobody needs its fiber any more: what waits hears of that itself */
    public function __construct(private readonly Reactor $reactor, private readonly bool $firm = false)
    {
    }

    /**
     * Has it go on, or throw.
     *
     * @return bool whether it does; false: it has gone on already, or is firm
     */
    public function end(?\Throwable $thrown = null): bool
    {
        if ($this->over || $thrown !== null && $this->firm) {
            return false;
        }
        $this->over = true;
        $this->thrown = $thrown;
        if ($this->fiber !== null) {
            $this->reactor->queue($this->resume(...));
        } else {
            $this->reactor->stop();
        }

        return true;
    }

    /** end(), for whoever calls it once what it waits for has come. A closure would take three times the memory. */
    public function __invoke(): void
    {
        $this->end();
    }

    /**
     * Waits until end(), which something that was arranged before will call.
     *
     * @return bool false where no fiber can be suspended, as in a destructor before PHP 8.4: then whoever asks has to
     *              wait in another way, and hold up all others
     *
     * @throws \Throwable what end() was given
     */
    public function suspend(?Context $context): bool
    {
        $this->fiber = \Fiber::getCurrent();
        if ($context !== null) {
            if ($context->pending !== null && !$this->firm) {
                $this->over = true;
                [$thrown, $context->pending] = [$context->pending, null];
                throw $thrown;
            }
            $context->wait = $this;
        }
        try {
            if ($this->over) {
                // it was over before it began
            } elseif ($this->fiber === null) {
                while (!$this->over) {
                    $this->reactor->run();
                }
            } elseif ($context === null && !$this->reactor->lends()) {
                return false;
            } else {
                if ($context?->strand !== null && Printed::isLeft()) {
                    throw new \LogicException('The code waits with an output buffer open, which would take what '
                        . 'other requests print meanwhile: end it first (ob_get_clean(), say)');
                }
                $this->strand = $context?->strand;
                try {
                    \Fiber::suspend();
                } catch (\FiberError) {
                    return false;
                }
            }
        } finally {
            $this->over = true;
            if ($context !== null) {
                $context->wait = null;
            }
        }
        if ($this->thrown !== null) {
            throw $this->thrown;
        }

        return true;
    }

    private function resume(): void
    {
        $strand = $this->strand;
        $strand?->strands->expectNoBuffer();
        $this->fiber->resume();
        if ($strand?->message !== null && Printed::isLeft()) {
            $strand->spoil();
        }
    }
}
