<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

/**
 * @internal What a program has set on a connection ($connection->name = …, $connection->context, $_SESSION), as the
 * host keeps it in the connection's session: under the program's own keys what is $_SESSION's, and under keys that
 * begin with `wm.` all else.
 */
final class State
{
    private const OWN = 'wm.';
    private const MAX_DEPTH = 12;

    /**
     * The entries of one kind.
     *
     * @param array<array-key, mixed> $session
     *
     * @return array<array-key, mixed>
     */
    public static function of(array $session, string $kind): array
    {
        $found = [];
        $prefix = self::OWN . $kind . '.';
        foreach ($session as $key => $value) {
            if (\str_starts_with((string) $key, $prefix)) {
                $found[\substr((string) $key, \strlen($prefix))] = $value;
            }
        }

        return $found;
    }

    /**
     * The session with those entries in place of the ones of that kind that it had.
     *
     * @param array<array-key, mixed> $session
     * @param array<array-key, mixed> $entries
     *
     * @return array<array-key, mixed>
     */
    public static function with(array $session, string $kind, array $entries): array
    {
        foreach (self::of($session, $kind) as $name => $_) {
            unset($session[self::OWN . "$kind.$name"]);
        }
        foreach ($entries as $name => $value) {
            $session[self::OWN . "$kind.$name"] = $value;
        }

        return $session;
    }

    /** What of a session is the program's $_SESSION. @param array<array-key, mixed> $session @return array<mixed> */
    public static function shared(array $session): array
    {
        return \array_filter($session,
            static fn (string|int $key): bool => !\str_starts_with((string) $key, self::OWN), \ARRAY_FILTER_USE_KEY);
    }

    /**
     * The session with this for the program's part of it.
     *
     * @param array<array-key, mixed> $session
     * @param array<array-key, mixed> $shared
     *
     * @return array<array-key, mixed>
     */
    public static function share(array $session, array $shared): array
    {
        return \array_diff_key($session, self::shared($session)) + $shared;
    }

    /**
     * @param string $name how the code names it
     *
     * @throws \TypeError for what can't travel from one worker to the next
     */
    public static function check(mixed $value, string $name, int $depth = 0): void
    {
        if (\is_scalar($value) || $value === null) {
            return;
        }
        if (!\is_array($value) || $depth === self::MAX_DEPTH) {
            $what = \is_array($value) ? 'arrays nested deeper than ' . self::MAX_DEPTH
                : 'a ' . \get_debug_type($value);
            throw new \TypeError("$name holds $what, which can't travel: the host keeps what is set on a connection, "
                . 'so that any worker has it for the next event, and after a reload. It takes strings, numbers, '
                . 'true, false, null and arrays of them');
        }
        foreach ($value as $key => $element) {
            self::check($element, "{$name}['$key']", $depth + 1);
        }
    }
}
