<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Link;

/**
 * Entries for the host's log, with a level and fields, tied to the request at hand (SPEC.md §8.2).
 *
 * What is echoed or written to standard error is logged as well, a line an entry, but without these. Outside a worker, in a test say, entries go to
 * standard error.
 */
final class Log
{
    private const MOST = 65536;

    private static ?Link $link = null;
    private static int $stream = 0;

    /** @param array<string, mixed> $context */
    public static function trace(string $message, array $context = []): void
    {
        self::write('trace', $message, $context);
    }

    /** @param array<string, mixed> $context */
    public static function debug(string $message, array $context = []): void
    {
        self::write('debug', $message, $context);
    }

    /** @param array<string, mixed> $context */
    public static function info(string $message, array $context = []): void
    {
        self::write('info', $message, $context);
    }

    /** @param array<string, mixed> $context */
    public static function warn(string $message, array $context = []): void
    {
        self::write('warn', $message, $context);
    }

    /** @param array<string, mixed> $context */
    public static function error(string $message, array $context = []): void
    {
        self::write('error', $message, $context);
    }

    /** @internal where entries go from now on */
    public static function attach(?Link $link): void
    {
        self::$link = $link;
        self::$stream = 0;
    }

    /** @internal the stream that entries belong to from now on; 0: none */
    public static function stream(int $stream): void
    {
        self::$stream = $stream;
    }

    /** @param array<string, mixed> $context */
    private static function write(string $level, string $message, array $context): void
    {
        $fields = [];
        foreach ($context as $key => $value) {
            // A key of digits would be an integer on the wire, where keys are text.
            $fields[\is_int($key) ? "_$key" : $key] = self::plain($value);
        }
        $message = self::clip($message);
        if (self::$link === null) {
            \error_log("$level: $message" . ($fields === [] ? '' : ' ' . \json_encode($fields, \JSON_PARTIAL_OUTPUT_ON_ERROR)));

            return;
        }
        self::$link->send([Frame::LOG, self::$stream, $level, $message, $fields === [] ? null : $fields]);
    }

    private static function plain(mixed $value): string|int|float|bool|null
    {
        return match (true) {
            $value === null, \is_int($value), \is_float($value), \is_bool($value) => $value,
            \is_string($value) => self::clip($value),
            $value instanceof \DateTimeInterface => $value->format(\DATE_RFC3339_EXTENDED),
            $value instanceof \Stringable => self::clip((string) $value),
            $value instanceof \BackedEnum => $value->value,
            $value instanceof \UnitEnum => $value->name,
            \is_resource($value) => 'resource',
            default => self::clip((string) \json_encode($value, \JSON_PARTIAL_OUTPUT_ON_ERROR | \JSON_UNESCAPED_SLASHES | \JSON_UNESCAPED_UNICODE)),
        };
    }

    private static function clip(string $text): string
    {
        return \strlen($text) > self::MOST ? \substr($text, 0, self::MOST) . '…' : $text;
    }
}
