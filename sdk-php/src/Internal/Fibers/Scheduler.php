<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use Revolt\EventLoop;
use WorkerHost\RequestCancelled;

/** @internal This process's loop, and its fibers: what Async is made of, with a concurrency of 1 as well. */
final class Scheduler
{
    private static ?Reactor $reactor = null;
    /** @var \WeakMap<\Fiber, Context>|null */
    private static ?\WeakMap $contexts = null;
    /** Whether the process is at its end: nothing waits any more. */
    public static bool $ending = false;

    public static function reactor(): Reactor
    {
        return self::$reactor ??= \class_exists(EventLoop::class) ? RevoltReactor::make() : SelectReactor::make();
    }

    /** Of the fiber at hand; null for those that are not ours, and outside of all. */
    public static function context(): ?Context
    {
        return self::$contexts === null || ($fiber = \Fiber::getCurrent()) === null ? null
            : self::$contexts[$fiber] ?? null;
    }

    /** Whose request or event the code at hand works for. */
    public static function strand(): ?Strand
    {
        return self::context()?->strand;
    }

    /** A fiber of ours. @param \Closure(): void $code that throws nothing */
    public static function fiber(Context $context, \Closure $code): \Fiber
    {
        self::$contexts ??= new \WeakMap();
        $fiber = new \Fiber($code);
        self::$contexts[$fiber] = $context;

        return $fiber;
    }

    /** It is over. */
    public static function forget(\Fiber $fiber): void
    {
        unset(self::$contexts[$fiber]);
    }

    /**
     * Waits for one thing.
     *
     * @param \Closure(Reactor, \Closure(): void): string $arrange has the reactor call the function when it has come
     * @param \Closure(): void                            $instead see Wait::suspend()
     *
     * @throws RequestCancelled
     */
    public static function wait(\Closure $arrange, \Closure $instead): void
    {
        $context = self::context();
        if ($context === null && \Fiber::getCurrent() !== null && !self::reactor()->lends()) {
            throw new \Error('A fiber that the code has made itself can not wait in WorkerHost\Async: the loop knows '
                . 'those of requests, and of Async::all()');
        }
        if (self::$ending) {
            throw new RequestCancelled('this worker ends');
        }
        $reactor = self::reactor();
        $wait = new Wait($reactor);
        $id = $arrange($reactor, static function () use ($wait): void {
            $wait->end();
        });
        try {
            $wait->suspend($context, $instead);
        } finally {
            $reactor->cancel($id);
        }
    }

    /**
     * Waits for a stream.
     *
     * @param resource $stream
     *
     * @return bool false once so many seconds are over
     *
     * @throws RequestCancelled
     */
    public static function ready($stream, bool $write, ?float $seconds): bool
    {
        $ready = false;
        $timer = '';
        $arrange = static function (Reactor $reactor, \Closure $then) use ($stream, $write, $seconds, &$ready,
            &$timer): string {
            $come = static function () use ($then, &$ready): void {
                $ready = true;
                $then();
            };
            $id = $write ? $reactor->writable($stream, $come) : $reactor->readable($stream, $come);
            if ($seconds !== null) {
                $timer = $reactor->delay($seconds, $then);
            }

            return $id;
        };
        try {
            self::wait($arrange, static function () use ($stream, $write, $seconds, &$ready): void {
                $reads = $write ? [] : [$stream];
                $writes = $write ? [$stream] : [];
                $except = null;
                $ready = (bool) @\stream_select($reads, $writes, $except, $seconds === null ? null : (int) $seconds,
                    $seconds === null ? null : (int) (\fmod($seconds, 1) * 1e6));
            });
        } finally {
            if ($timer !== '') {
                self::reactor()->cancel($timer);
            }
        }

        return $ready;
    }
}
