<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal A session in its two forms: the wire's flat list of keys and values (SPEC.md §9.3), and a PHP array. */
final class Entries
{
    /** SPEC.md §2.4. */
    private const MAX_DEPTH = 14;

    /**
     * @param list<mixed> $entries key, value, key, value …
     *
     * @return array<array-key, mixed>
     */
    public static function session(array $entries): array
    {
        $session = [];
        for ($i = 0, $count = \count($entries); $i < $count; $i += 2) {
            $value = $entries[$i + 1];
            $session[$entries[$i]] = \is_array($value) || \is_object($value) ? self::arrays($value) : $value;
        }

        return $session;
    }

    /** A value as PHP has it. */
    public static function plain(mixed $value): mixed
    {
        return \is_array($value) || \is_object($value) ? self::arrays($value) : $value;
    }

    /** What only a worker in another language would have written, such as an empty map, as arrays. */
    public static function arrays(mixed $value): mixed
    {
        if (\is_object($value)) {
            $value = (array) $value;
        }
        if (\is_array($value)) {
            foreach ($value as $key => $element) {
                if (\is_array($element) || \is_object($element)) {
                    $value[$key] = self::arrays($element);
                }
            }
        }

        return $value;
    }

    /**
     * What makes $after of $before.
     *
     * @param array<array-key, mixed> $before
     * @param array<array-key, mixed> $after
     *
     * @return array{list<mixed>, list<string>} the entries to set, and the keys to unset
     *
     * @throws \TypeError if a value that is new can't be kept in a session
     */
    public static function changes(array $before, array $after): array
    {
        $set = $unset = [];
        if ($before === $after) {
            return [$set, $unset];
        }
        foreach ($after as $key => $value) {
            if (!\array_key_exists($key, $before) || $before[$key] !== $value) {
                self::check($value, "['$key']", 0);
                if ($key === Upgrade::KEY) {
                    throw new \TypeError("session['$key'] is the SDK's own, and can't be set");
                }
                $set[] = (string) $key;
                $set[] = $value;
            }
        }
        foreach ($before as $key => $value) {
            if (!\array_key_exists($key, $after)) {
                $unset[] = (string) $key;
            }
        }

        return [$set, $unset];
    }

    /**
     * @param string $what "session", or what else travels as a value
     *
     * @throws \TypeError if it can't
     */
    public static function check(mixed $value, string $path, int $depth, string $what = 'session'): void
    {
        if (\is_scalar($value) || $value === null) {
            return;
        }
        if (!\is_array($value)) {
            throw new \TypeError("$what$path holds " . self::kind($value)
                . "; a $what takes strings, numbers, true, false, null and arrays of them: store what the object "
                    . 'is made from, or its key in a database');
        }
        if ($depth >= self::MAX_DEPTH) {
            throw new \TypeError("$what$path is nested too deep: a $what takes arrays " . self::MAX_DEPTH
                . ' deep at the most');
        }
        foreach ($value as $key => $element) {
            self::check($element, "{$path}['$key']", $depth + 1, $what);
        }
    }

    private static function kind(mixed $value): string
    {
        return \is_object($value) ? 'an object of ' . \get_debug_type($value) : 'a ' . \get_debug_type($value);
    }
}
