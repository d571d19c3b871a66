<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal This process, which may be a child that user code forked from the worker. */
final class Process
{
    private static int $worker = 0;

    /** Notes that this process is the worker. */
    public static function start(): void
    {
        self::$worker = (int) \getmypid();
    }

    public static function isChild(): bool
    {
        return \getmypid() !== self::$worker;
    }

    /** A child that came back from the handler it was forked in would read this worker's requests, and answer them. */
    public static function endChild(): void
    {
        if (self::isChild()) {
            self::complain(
                'A child that was forked in the handler has come back from it, and ends here; end it with exit()');
            exit(1);
        }
    }

    /** Writes to the standard error, where there may be no host to tell. */
    public static function complain(string $text): void
    {
        \file_put_contents('php://stderr', \rtrim($text) . "\n");
    }
}
