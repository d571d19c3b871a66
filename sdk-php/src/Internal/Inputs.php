<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\UploadedFile;

/**
 * @internal What came with the request at hand, as it came, for the functions of PHP that ask for it whatever the
 * superglobals hold by now (functions.php).
 */
final class Inputs
{
    private const TYPES = [\INPUT_POST, \INPUT_GET, \INPUT_COOKIE, \INPUT_ENV, \INPUT_SERVER];

    /** @var array<int, array<array-key, mixed>> */
    private static array $arrays = [];
    /** @var array<string, true> the files that came, and were not moved away yet, by their paths */
    private static array $uploads = [];

    /** Takes over what the superglobals hold. @param list<UploadedFile> $files that came with the request */
    public static function start(array $files): void
    {
        self::$arrays = [
            \INPUT_POST => $_POST, \INPUT_GET => $_GET, \INPUT_COOKIE => $_COOKIE,
            \INPUT_ENV => $_ENV, \INPUT_SERVER => $_SERVER,
        ];
        foreach ($files as $file) {
            if ($file->path !== '') {
                self::$uploads[$file->path] = true;
            }
        }
    }

    public static function end(): void
    {
        self::$arrays = self::$uploads = [];
    }

    /**
     * @param int $type one of PHP's INPUT_ constants
     *
     * @return array<array-key, mixed>
     *
     * @throws \ValueError
     */
    public static function of(int $type): array
    {
        if (!\in_array($type, self::TYPES, true)) {
            $function = \debug_backtrace(\DEBUG_BACKTRACE_IGNORE_ARGS, 2)[1]['function'];
            throw new \ValueError("$function(): Argument #1 (\$type) must be an INPUT_* constant");
        }

        return self::$arrays[$type] ?? [];
    }

    /** As filter_input(), of a value; null: there is none. @param array<string, mixed>|int $options */
    public static function filter(mixed $value, int $filter, array|int $options): mixed
    {
        if ($value !== null) {
            return \filter_var($value, $filter, $options);
        }
        $named = \is_array($options) ? $options['options'] ?? null : null;
        if (\is_array($named) && \array_key_exists('default', $named)) {
            return $named['default'];
        }
        $flags = \is_array($options) ? (int) ($options['flags'] ?? 0) : $options;

        return ($flags & \FILTER_NULL_ON_FAILURE) !== 0 ? false : null; // the flag turns the two round
    }

    /**
     * As filter_input_array().
     *
     * @param array<array-key, mixed>     $values
     * @param array<string, mixed>|int    $options
     *
     * @return array<array-key, mixed>|false|null
     */
    public static function filterAll(array $values, array|int $options, bool $empty): array|false|null
    {
        if ($values === []) {
            return \is_int($options) && ($options & \FILTER_NULL_ON_FAILURE) !== 0 ? false : null;
        }

        return \filter_var_array($values, $options, $empty);
    }

    public static function uploaded(string $path): bool
    {
        return isset(self::$uploads[$path]);
    }

    /** As move_uploaded_file(): the file gets the permissions that a new one would have. */
    public static function move(string $from, string $to): bool
    {
        if (!self::uploaded($from) || !\rename($from, $to)) {
            return false;
        }
        unset(self::$uploads[$from]);
        \chmod($to, 0666 & ~\umask());

        return true;
    }

    /**
     * As getallheaders() under php-fpm, which makes the names from those of $_SERVER.
     *
     * @return array<string, string>
     */
    public static function headers(): array
    {
        $headers = [];
        foreach ($_SERVER as $name => $value) {
            $name = (string) $name;
            if (\str_starts_with($name, 'HTTP_')) {
                $name = \substr($name, 5);
            } elseif ($name !== 'CONTENT_TYPE' && $name !== 'CONTENT_LENGTH') {
                continue;
            }
            $headers[\ucwords(\strtolower(\strtr($name, '_', '-')), '-')] = $value;
        }

        return $headers;
    }
}
