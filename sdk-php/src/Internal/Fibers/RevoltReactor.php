<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use Revolt\EventLoop;
use Revolt\EventLoop\Driver\StreamSelectDriver;
use WorkerHost\Internal\Failure;
use WorkerHost\Log;

/** @internal The event loop that amphp's and, through an adapter, ReactPHP's clients run in. */
final class RevoltReactor implements Reactor
{
    public static function make(): self
    {
        // A future that failed and that nobody awaits is one request's failure, and must not end the others.
        if (EventLoop::getErrorHandler() === null) {
            EventLoop::setErrorHandler(static function (\Throwable $e): void {
                Log::error('in the event loop: ' . Failure::summary($e), ['trace' => (string) $e]);
            });
        }

        return new self();
    }

    public function delay(float $seconds, callable $then): string
    {
        return EventLoop::delay($seconds, static fn () => $then());
    }

    public function readable($stream, callable $then, bool $waits = false): string
    {
        self::check($stream);

        return EventLoop::onReadable($stream, static fn () => $then());
    }

    public function writable($stream, callable $then): string
    {
        self::check($stream);

        return EventLoop::onWritable($stream, static fn () => $then());
    }

    /** Its loop would throw out of its midst, at whatever waits. @param resource $stream */
    private static function check($stream): void
    {
        if (EventLoop::getDriver() instanceof StreamSelectDriver) {
            Descriptor::check($stream);
        }
    }

    public function queue(\Closure $then): void
    {
        EventLoop::queue($then);
    }

    public function defer(\Closure $then): void
    {
        EventLoop::defer(static fn () => $then());
    }

    public function cancel(string $id): void
    {
        EventLoop::cancel($id);
    }

    public function run(): void
    {
        EventLoop::run();
    }

    public function stop(): void
    {
        EventLoop::getDriver()->stop();
    }

    public function lends(): bool
    {
        return true;
    }
}
