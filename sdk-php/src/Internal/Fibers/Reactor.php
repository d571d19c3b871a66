<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

/**
 * @internal What runs functions when their time has come or their stream is ready: Revolt's event loop where the
 *     application brings it, so that the clients that are written for that one run in the same; otherwise our own.
 *
 * No function is called before the one that gave it has come back to the loop.
 */
interface Reactor
{
    /** The one that this process has from now on. */
    public static function make(): self;

    /**
     * @param callable(): void $then runs once, after so many seconds
     *
     * @return string to cancel it by
     */
    public function delay(float $seconds, callable $then): string;

    /**
     * @param resource                   $stream
     * @param callable(): void $then   runs each time that the stream can be read from, until it is cancelled
     * @param bool             $waits  whether it waits for that by itself, and may run where there is nothing else to
     *                                 wait for
     *
     * @throws \Error for a stream that can't be watched
     */
    public function readable($stream, callable $then, bool $waits = false): string;

    /**
     * @param resource                   $stream
     * @param callable(): void $then   runs each time that the stream can be written to, until it is cancelled
     *
     * @throws \Error for a stream that can't be watched
     */
    public function writable($stream, callable $then): string;

    /** @param \Closure(): void $then runs as soon as nothing else does */
    public function queue(\Closure $then): void;

    /** @param \Closure(): void $then runs when all that is due has run */
    public function defer(\Closure $then): void;

    /** Forgets what was asked for; what is over, or unknown, needs none. */
    public function cancel(string $id): void;

    /** Waits and runs functions until stop(). Outside of fibers only. */
    public function run(): void;

    public function stop(): void;

    /** Whether a fiber that nobody has told us of may be suspended here: one of the loop's own, that is. */
    public function lends(): bool;
}
