<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\RequestCancelled;

/** @internal Functions that run side by side, each in a fiber, until all have returned or one has thrown. */
final class Group
{
    /** @var array<array-key, mixed> */
    private array $results = [];
    /** @var array<array-key, Context> those that run */
    private array $running = [];
    private ?\Throwable $thrown = null;
    private ?Wait $wait = null;

    /**
     * @param array<array-key, callable(): mixed> $functions
     *
     * @return array<array-key, mixed> what they return, by their keys
     *
     * @throws \Throwable the first that one of them has thrown, once all others have ended
     */
    public static function run(array $functions): array
    {
        $group = new self();
        $strand = Scheduler::strand();
        foreach ($functions as $key => $function) {
            $group->results[$key] = null; // so that their order is that of the functions
            if ($group->thrown === null) {
                $group->start($key, $function(...), new Context($strand));
            }
        }
        $group->join();
        if ($group->thrown !== null) {
            throw $group->thrown;
        }

        return $group->results;
    }

    private function start(int|string $key, \Closure $function, Context $context): void
    {
        $this->running[$key] = $context;
        $context->strand?->add($context);
        Scheduler::fiber($context, function () use ($key, $function, $context): void {
            try {
                $this->results[$key] = $function();
            } catch (\Throwable $e) {
                if ($this->thrown === null) {
                    $this->thrown = $e;
                    $this->cancel(new RequestCancelled('another function of Async::all() has thrown'), $context);
                }
            }
            $context->strand?->remove($context);
            unset($this->running[$key]);
            if ($this->running === []) {
                $this->wait?->end();
            }
        })->start();
    }

    private function cancel(\Throwable $why, ?Context $except = null): void
    {
        foreach ($this->running as $context) {
            if ($context !== $except) {
                $context->cancel($why);
            }
        }
    }

    /** Waits for all of them, even where nobody needs them any more: then they are told. */
    private function join(): void
    {
        while ($this->running !== []) {
            $this->wait = new Wait(Scheduler::reactor());
            try {
                if (!$this->wait->suspend(Scheduler::context())) {
                    throw new \Error('Async::all() can not wait here, where PHP suspends no fiber: in a destructor '
                        . 'before PHP 8.4, or in the callback of an output buffer');
                }
            } catch (RequestCancelled $e) {
                $this->thrown ??= $e;
                $this->cancel($e);
            }
        }
    }
}
