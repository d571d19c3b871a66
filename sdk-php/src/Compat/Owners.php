<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use WorkerHost\Log;

/**
 * @internal Timers whose id a program has kept on a connection ($connection->timer = Timer::add(…), or in $_SESSION),
 * as it does with those that it deletes when the client has logged in, or has left. That event may come to another
 * process, which notes it in the connection's session; so the process that has the timer looks there before it runs.
 */
final class Owners
{
    /** What of a session has the timers that were deleted elsewhere, and how many of them are kept. */
    private const DELETED = 'wm.timers';
    private const MOST = 256;

    /** @var array<int, string> connections by timer */
    private static array $owners = [];
    /** Whether an event of a connection is at hand; which timers were made in it, and which of others deleted. */
    private static bool $event = false;
    /** @var array<int, true> */
    private static array $made = [];
    /** @var list<int> */
    private static array $deleted = [];

    /** An event of a connection begins. */
    public static function enter(): void
    {
        self::$event = true;
        self::$made = self::$deleted = [];
    }

    /**
     * It went well. @param array<array-key, mixed> $session @return array<array-key, mixed> the session as it is to be
     * kept
     */
    public static function keep(string $connection, array $session): array
    {
        if (self::$made !== []) {
            \array_walk_recursive($session, static function (mixed $value) use ($connection): void {
                if (\is_int($value) && isset(self::$made[$value])) {
                    self::$owners[$value] = $connection;
                }
            });
        }
        if (self::$deleted !== []) {
            $session[self::DELETED] = \array_slice([...$session[self::DELETED] ?? [], ...self::$deleted], -self::MOST);
        }

        return $session;
    }

    /** It is over. */
    public static function leave(): void
    {
        self::$event = false;
        self::$made = self::$deleted = [];
    }

    public static function made(int $timer): void
    {
        if (self::$event) {
            self::$made[$timer] = true;
        }
    }

    /** A timer of another process is to run no more. */
    public static function deleted(int $timer): bool
    {
        if (self::$event) {
            self::$deleted[] = $timer;

            return true;
        }
        Log::warn('Timer::del() was given the id of a timer that this process has not made, which is heard in an '
            . 'event of the connection on which that id is kept, and nowhere else');

        return false;
    }

    public static function forget(int $timer): void
    {
        unset(self::$owners[$timer]);
    }

    /** The program was told here that the connection has ended, and has deleted what it wanted to. */
    public static function closed(string $connection): void
    {
        self::$owners = \array_diff(self::$owners, [$connection]);
    }

    /**
     * Whether a timer of this process is to run still. One that runs $again does not where another process was told
     * that its connection has ended: nobody could delete it any more.
     */
    public static function want(int $timer, bool $again): bool
    {
        $owner = self::$owners[$timer] ?? null;
        if ($owner === null) {
            return true;
        }
        $session = Program::connections()->session($owner);

        return $session === null ? !$again : !\in_array($timer, $session[self::DELETED] ?? [], true);
    }
}
