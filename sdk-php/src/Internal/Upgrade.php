<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\CallFailed;

/**
 * @internal The version of sessions that this code writes, and how it takes those of older code (SPEC.md §9.9). It is
 *     the process's, as there is one worker in it.
 */
final class Upgrade
{
    /** What READY says of code that declares a version. */
    public const FEATURE = 'upgrade';
    /** What HELLO says to a worker on trial. */
    public const TRIAL = 'trial';
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
     * Tries it on sessions that are live, and tells the host what came of that. Nothing is kept.
     *
     * @throws LinkError
     */
    public static function onTrial(Acts $acts): void
    {
        $tried = 0;
        $ids = $versions = $errors = []; // of those that failed
        try {
            foreach ((array) $acts->call(Frame::CALL, 'trial.sessions') as $connection) {
                $session = Entries::session($connection[5] ?? []);
                $from = self::take($session);
                if ($from >= self::$version || $session === []) {
                    continue;
                }
                ++$tried;
                try {
                    self::apply($session, $from);
                } catch (LinkError $e) {
                    throw $e;
                } catch (\Throwable $e) {
                    $ids[] = $connection[0];
                    $versions[] = $from;
                    $errors[] = \substr(Failure::summary($e), 0, 1024);
                }
            }
            $acts->call(Frame::CALL, 'trial.upgraded', [$tried, $ids, $versions, $errors]);
        } catch (CallFailed) {
            // the host wants nothing of it after all
        }
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
