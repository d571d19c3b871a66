<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Link;

/**
 * Entries for the host's log, with a level and fields, tied to the request at hand (SPEC.md §8.2).
 *
 * What is echoed is logged as well, a line an entry, with the request at hand; what comes on standard error
 * (error_log(), warnings, fwrite(STDERR, …)) with none, since nothing there tells whose it is. Outside a worker, in a
 * test say, and in a child that was forked, entries go to standard error.
 */
final class Log
{
    private const MOST = 65536;

    private static ?Link $link = null;
    private static int $stream = 0;
    /** @var (\Closure(): int)|null */
    private static ?\Closure $current = null;
    /** The process whose link it is: a child that was forked would write into the midst of its frames. */
    private static int $pid = 0;
    /** @var resource|null standard error, opened while that can't fail */
    private static $stderr = null;

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
        self::$pid = (int) \getmypid();
        self::$stderr ??= \fopen('php://stderr', 'wb');
    }

    /** @internal a piece of what the code prints, as it comes: the host makes lines of it */
    public static function printed(string $bytes): void
    {
        $link = self::link();
        if ($link === null) {
            \fwrite(self::$stderr ??= \fopen('php://stderr', 'wb'), $bytes);

            return;
        }
        foreach (\str_split($bytes, self::MOST) as $piece) {
            $link->interject($link->frame([Frame::LOG, self::current(), 'print', $piece]));
        }
    }

    /** Where entries can go as frames; null, too, once the host has closed its end, as it may have in onStop(). */
    private static function link(): ?Link
    {
        return self::$link !== null && !self::$link->hasEnded() && \getmypid() === self::$pid ? self::$link : null;
    }

    /** @internal the stream that entries belong to from now on; 0: none */
    public static function stream(int $stream): void
    {
        self::$stream = $stream;
    }

    /** @internal @param (\Closure(): int)|null $current says which stream code works for; null: that of stream() */
    public static function follow(?\Closure $current): void
    {
        self::$current = $current;
    }

    private static function current(): int
    {
        return self::$current === null ? self::$stream : (self::$current)();
    }

    /** @internal whether a request or an event is at hand */
    public static function isAnswering(): bool
    {
        return self::current() !== 0;
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
        $link = self::link();
        if ($link === null) {
            \error_log("$level: $message"
                . ($fields === [] ? '' : ' ' . \json_encode($fields, \JSON_PARTIAL_OUTPUT_ON_ERROR)));

            return;
        }
        $entry = [Frame::LOG, self::current(), $level, $message];
        try {
            $frame = $link->frame([...$entry, $fields === [] ? null : $fields]);
        } catch (\LengthException $e) {
            $frame = $link->frame([...$entry, ['fields_left_out' => $e->getMessage()]]);
        }
        $link->interject($frame);
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
            default => self::clip((string) \json_encode($value,
                \JSON_PARTIAL_OUTPUT_ON_ERROR | \JSON_UNESCAPED_SLASHES | \JSON_UNESCAPED_UNICODE)),
        };
    }

    private static function clip(string $text): string
    {
        return \strlen($text) > self::MOST ? \substr($text, 0, self::MOST) . '…' : $text;
    }
}
