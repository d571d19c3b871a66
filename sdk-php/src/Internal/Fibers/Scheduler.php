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

    /** A fiber of ours. @param callable(): void $code that throws nothing */
    public static function fiber(Context $context, callable $code): \Fiber
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

    /** Waits so many seconds. @throws RequestCancelled */
    public static function delay(float $seconds): void
    {
        $reactor = self::reactor();
        $context = self::enter($reactor);
        $wait = new Wait($reactor);
        $id = $reactor->delay($seconds, $wait);
        try {
            if (!$wait->suspend($context)) {
                \usleep((int) ($seconds * 1e6));
            }
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
        $reactor = self::reactor();
        $context = self::enter($reactor);
        if (!$write && $reactor->lends() && \is_resource($stream)
            && \stream_get_meta_data($stream)['unread_bytes'] > 0) {
            return true; // PHP has read these already: a loop that looks at the descriptor sees nothing of them
        }
        $wait = new Wait($reactor);
        $late = false;
        $seconds = $seconds === null ? null : \max(0.0, \min($seconds, 1e9));
        $id = $timer = null;
        try {
            $id = $write ? $reactor->writable($stream, $wait) : $reactor->readable($stream, $wait);
            $end = static function () use ($wait, &$late): void {
                $late = $wait->end();
            };
            $timer = $seconds === null ? null : $reactor->delay($seconds, $end);
            if (!$wait->suspend($context)) {
                $reads = $write ? [] : [$stream];
                $writes = $write ? [$stream] : [];
                $except = null;
                $late = !@\stream_select($reads, $writes, $except, $seconds === null ? null : (int) $seconds,
                    $seconds === null ? null : (int) (\fmod($seconds, 1) * 1e6));
            }
        } finally {
            foreach (\array_filter([$id, $timer]) as $watch) {
                $reactor->cancel($watch);
            }
        }

        return !$late;
    }

    /** Before a wait: whose it is. @throws RequestCancelled */
    private static function enter(Reactor $reactor): ?Context
    {
        $context = self::context();
        if ($context === null && \Fiber::getCurrent() !== null && !$reactor->lends()) {
            throw new \Error('A fiber that the code has made itself can not wait in WorkerHost\Async: the loop knows '
                . 'those of requests, and of Async::all()');
        }
        if (self::$ending) {
            throw new RequestCancelled('this worker ends');
        }

        return $context;
    }
}
