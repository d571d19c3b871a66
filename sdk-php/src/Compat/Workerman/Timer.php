<?php

declare(strict_types=1);

namespace Workerman;

use WorkerHost\Compat\Program;

/** Workerman's timers, over those of the SDK: each belongs to the worker process that has made it. */
class Timer
{
    /** @var array<int, \WorkerHost\Timer> */
    private static array $all = [];
    private static int $last = 0;

    /** @param mixed $event of no meaning: the worker's loop is the SDK's */
    public static function init(mixed $event = null): void
    {
    }

    /**
     * @param list<mixed>|null $args
     *
     * @return int what del() takes
     */
    public static function add(float $timeInterval, callable $func, ?array $args = [], bool $persistent = true): int
    {
        $id = ++self::$last;
        $args ??= [];
        self::$all[$id] = Program::later($timeInterval, static function () use ($func, $args, $persistent, $id): void {
            if (!$persistent) {
                unset(self::$all[$id]);
            }
            $func(...$args);
        }, $persistent);

        return $id;
    }

    /** @param list<mixed> $args */
    public static function repeat(float $timeInterval, callable $func, array $args = []): int
    {
        return self::add($timeInterval, $func, $args);
    }

    /** @param list<mixed> $args */
    public static function delay(float $timeInterval, callable $func, array $args = []): int
    {
        return self::add($timeInterval, $func, $args, false);
    }

    public static function del(int $timerId): bool
    {
        $timer = self::$all[$timerId] ?? null;
        $timer?->cancel();
        unset(self::$all[$timerId]);

        return $timer !== null;
    }

    public static function delAll(): void
    {
        foreach (self::$all as $timer) {
            $timer->cancel();
        }
        self::$all = [];
    }

    /** Waits, and holds this worker meanwhile. */
    public static function sleep(float $delay): void
    {
        \usleep((int) ($delay * 1e6));
    }
}
