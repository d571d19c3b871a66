<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Fibers\Group;
use WorkerHost\Internal\Fibers\Scheduler;

/**
 * Waiting that lets others run: with Worker::concurrency() above 1 only the request at hand waits here, and the worker
 * goes on with its others. With a concurrency of 1, and in onStart(), the worker waits; all() runs its functions side
 * by side there, too.
 *
 * With `revolt/event-loop` in the application all of it goes through that loop, so that clients of amphp and ReactPHP
 * run beside it.
 *
 * Once nobody waits for the answer any more, each fiber of the request has RequestCancelled thrown here, once.
 */
final class Async
{
    /**
     * Waits.
     *
     * @throws RequestCancelled
     * @throws \ValueError
     */
    public static function delay(float $seconds): void
    {
        if (!($seconds >= 0 && $seconds <= 1e9)) {
            throw new \ValueError("delay() takes 0 seconds or more, not $seconds");
        }
        Scheduler::delay($seconds);
    }

    /**
     * Runs functions side by side, each in a fiber of its own, and waits for all of them. What they log, send and join
     * is the request's that has called this.
     *
     * The first throw cancels the rest: each of them has RequestCancelled thrown where it waits in Async; then it is
     * thrown here. What waits elsewhere is waited for.
     *
     * @param array<array-key, callable(): mixed> $functions
     *
     * @return array<array-key, mixed> what they have returned, by their keys
     *
     * @throws RequestCancelled
     * @throws \Throwable what one of them throws
     */
    public static function all(array $functions): array
    {
        return Group::run($functions);
    }

    /**
     * Waits until something can be read from a stream, its end included.
     *
     * @param resource   $stream  a socket or a pipe
     * @param float|null $seconds how long at the most; null: as long as it takes
     *
     * @return bool false once that time is over
     *
     * @throws RequestCancelled
     * @throws \Error           for a stream that can't be waited for: a file in memory, or, without Revolt and one of
     *                          its extensions, a descriptor above 1023
     */
    public static function readable($stream, ?float $seconds = null): bool
    {
        return Scheduler::ready($stream, false, $seconds);
    }

    /**
     * Waits until a stream can be written to, or a connection that was begun (STREAM_CLIENT_ASYNC_CONNECT) stands.
     *
     * @param resource   $stream  a socket or a pipe
     * @param float|null $seconds how long at the most; null: as long as it takes
     *
     * @return bool false once that time is over
     *
     * @throws RequestCancelled
     * @throws \Error           as readable()
     */
    public static function writable($stream, ?float $seconds = null): bool
    {
        return Scheduler::ready($stream, true, $seconds);
    }
}
