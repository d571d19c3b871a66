<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal The version of sessions that this code writes, and how it takes those of older code (SPEC.md §9.9). It is
 *     the process's, as there is one worker in it.
 */
final class Upgrade
{
    /** The key of a session that has its version, and that nobody but an SDK sees. */
    public const KEY = 'workerhost.version';
    /** What this code writes; 0: it declares none. */
    public static int $version = 0;
    /** @var (callable(array<array-key, mixed>, int): array<array-key, mixed>)|null */
    private static $function = null;

    /** @param callable(array<array-key, mixed>, int): array<array-key, mixed> $function */
    public static function declare(int $version, callable $function): void
    {
        [self::$version, self::$function] = [$version, $function];
    }

    /**
     * Takes the version out of a session.
     *
     * @param array<array-key, mixed> $session
     */
    public static function take(array &$session): int
    {
        $version = $session[self::KEY] ?? 0;
        unset($session[self::KEY]);

        return \is_int($version) ? $version : 0;
    }

    /**
     * The session as this code is to see it. One that is empty, or of this version or a newer one, is as it was.
     *
     * @param array<array-key, mixed> $session
     *
     * @return array<array-key, mixed>
     *
     * @throws \Throwable what the function throws
     * @throws \TypeError if it returns what can't be kept
     */
    public static function apply(array $session, int $from): array
    {
        if ($from >= self::$version || $session === []) {
            return $session;
        }
        $upgraded = (self::$function)($session, $from);
        if (!\is_array($upgraded)) {
            throw new \TypeError('onUpgrade() returned ' . \get_debug_type($upgraded)
                . '; it has to return the session, an array');
        }
        Entries::changes($session, $upgraded);

        return $upgraded;
    }

    /**
     * What is to be set so that the session has the version of the code that wrote it; newer code's stays.
     *
     * @param list<mixed> $set
     *
     * @return list<mixed>
     */
    public static function stamp(array $set, int $from = 0): array
    {
        return self::$version > $from ? [...$set, self::KEY, self::$version] : $set;
    }
}
