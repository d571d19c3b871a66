<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\Internal\Printed;
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
        if (\Fiber::getCurrent() !== null && Scheduler::context() === null && !Scheduler::reactor()->lends()) {
            throw new \Error('Async::all() can not wait in a fiber that the code has made itself');
        }
        // All of them, before any runs: one that can't be called leaves none behind.
        $functions = \array_map(static fn ($function): \Closure => $function(...), $functions);
        foreach ($functions as $key => $function) {
            $group->results[$key] = null; // so that their order is that of the functions
            if ($group->thrown === null) {
                $group->start($key, $function, new Context($strand));
            }
        }
        $group->join($strand);
        if ($group->thrown !== null) {
            throw $group->thrown;
        }

        return $group->results;
    }

    private function start(int|string $key, \Closure $function, Context $context): void
    {
        $this->running[$key] = $context;
        $context->strand?->add($context);
        $fiber = Scheduler::fiber($context, function () use ($key, $function, $context): void {
            $unwound = $context->strand === null ? null : new Unwound($context->strand);
            $thrown = null;
            try {
                $this->results[$key] = $function();
            } catch (\Throwable $thrown) {
            }
            $unwound?->over();
            $this->ended($key, $context, $thrown);
        });
        try {
            $fiber->start();
        } catch (\FiberError) {
            $this->ended($key, $context, new \Error('Async::all() can not wait here, where PHP suspends no fiber: in '
                . 'a destructor before PHP 8.4, say'));
        } catch (\Exception $e) { // PHP has no memory for another stack
            $this->ended($key, $context, $e);
        }
    }

    private function ended(int|string $key, Context $context, ?\Throwable $thrown): void
    {
        unset($this->running[$key]);
        $context->strand?->remove($context);
        if ($thrown !== null) {
            $this->fail($thrown);
        }
        if ($this->running === []) {
            $this->wait?->end();
        }
    }

    /** The first that is thrown cancels the rest. */
    private function fail(\Throwable $thrown): void
    {
        if ($this->thrown === null) {
            $this->thrown = $thrown;
            $this->cancel(new RequestCancelled('another function of Async::all() has thrown'));
        }
    }

    private function cancel(\Throwable $why): void
    {
        foreach ($this->running as $context) {
            $context->cancel($why);
        }
    }

    /** Waits for all of them, even where nobody needs them any more: then they are told. */
    private function join(?Strand $strand): void
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
            } catch (\LogicException $e) { // a function has left an output buffer open
                $this->fail($e);
                $strand->strands->flush();
                if (Printed::isLeft()) {
                    throw $e;
                }
            }
        }
    }
}
