<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

/** @internal Whether stream_select() can wait for a stream: only it knows. */
final class Descriptor
{
    /** What PHP warns of where a descriptor is above what select() can take. */
    private const TOO_HIGH = '/descriptors numbered at least as high as (\d+)/';

    /**
     * @param resource $stream
     *
     * @throws \Error for one that can't be waited for, by its number or by what it is
     */
    public static function check($stream): void
    {
        if (!\is_resource($stream)) {
            throw new \TypeError('A stream that is open can be waited for, not ' . \get_debug_type($stream));
        }
        $warning = '';
        \set_error_handler(static function (int $level, string $text) use (&$warning): bool {
            $warning = $text;

            return true;
        });
        try {
            $read = [$stream];
            $write = $except = null;
            \stream_select($read, $write, $except, 0, 0);
        } catch (\ValueError $e) { // no stream was left of those given
            $warning = $warning === '' ? $e->getMessage() : $warning;
        } finally {
            \restore_error_handler();
        }
        if (\preg_match(self::TOO_HIGH, $warning, $match) === 1) {
            throw new \Error("Descriptor $match[1] can not be waited for: PHP's stream_select() takes none above 1023."
                . ' Close what is not needed, lower the concurrency, or install revolt/event-loop with ext-ev, '
                . 'ext-event or ext-uv');
        }
        if (\str_contains($warning, 'select()able')) {
            throw new \Error("This stream can not be waited for: $warning");
        }
    }
}
