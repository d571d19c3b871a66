<?php

declare(strict_types=1);

namespace Workerman;

use WorkerHost\Compat\Owners;
use WorkerHost\Compat\Program;

/** Workerman's timers, over those of the SDK: each belongs to the worker process that has made it. */
class Timer
{
    /** How many ids a process has, which are no other's: what is kept on a connection may come to another process. */
    private const IDS = 1 << 32;

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
        if ($timeInterval < 0) {
            throw new \RuntimeException("A timer runs after 0 seconds or more; not after $timeInterval");
        }
        $id = self::$last += self::$last === 0 ? self::IDS * \random_int(1, 1 << 30) + 1 : 1;
        $args ??= [];
        Owners::made($id);
        self::$all[$id] = Program::later($timeInterval, static function () use ($func, $args, $persistent, $id): void {
            $wanted = Owners::want($id, $persistent);
            if (!$persistent || !$wanted) {
                self::forget($id);
            }
            if ($wanted) {
                $func(...$args);
            }
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

    /** @return bool whether there was such a timer */
    public static function del(int $timerId): bool
    {
        if (self::$last === 0 || \intdiv($timerId, self::IDS) !== \intdiv(self::$last, self::IDS)) {
            return Owners::deleted($timerId); // it is another process's
        }

        return self::forget($timerId);
    }

    private static function forget(int $id): bool
    {
        $timer = self::$all[$id] ?? null;
        $timer?->cancel();
        Owners::forget($id);
        unset(self::$all[$id]);

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
