<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\RequestCancelled;

/**
 * @internal A stream wrapper: a request's body as a PHP stream that takes DATA as it is read, so that a body of any
 *     size needs no memory.
 *
 * It can't go back. A seek to where it stands is granted, because callers rewind what they have not begun to read.
 */
final class BodyStream
{
    private const SCHEME = 'workerhost-body';

    /** @var resource|null set by PHP */
    public $context;

    private Exchange $exchange;
    private int $position = 0;
    private bool $ended = false;

    /** @return resource */
    public static function open(Exchange $exchange)
    {
        static $registered = false;
        if (!$registered) {
            \stream_wrapper_register(self::SCHEME, self::class);
            $registered = true;
        }
        $stream = \fopen(self::SCHEME . '://', 'rb', false,
            \stream_context_create([self::SCHEME => ['exchange' => $exchange]]));
        \stream_set_chunk_size($stream, Frame::MAX_DATA);

        return $stream;
    }

    /** @param string|null $opened */
    public function stream_open(string $path, string $mode, int $options, &$opened): bool
    {
        $exchange = $this->context === null ? null
            : \stream_context_get_options($this->context)[self::SCHEME]['exchange'] ?? null;
        if (!$exchange instanceof Exchange) {
            return false;
        }
        $this->exchange = $exchange;

        return true;
    }

    /** @throws RequestCancelled rather than to end as if the body had been whole */
    public function stream_read(int $count): string
    {
        $bytes = $this->exchange->read($count);
        $this->position += \strlen($bytes);
        $this->ended = $bytes === '';

        return $bytes;
    }

    public function stream_eof(): bool
    {
        return $this->ended || ($this->exchange->whole && $this->exchange->available() === 0);
    }

    public function stream_tell(): int
    {
        return $this->position;
    }

    public function stream_seek(int $offset, int $whence): bool
    {
        return $whence === \SEEK_SET && $offset === $this->position;
    }

    /** @return array<string, int> */
    public function stream_stat(): array
    {
        return ['mode' => 0100400];
    }

    public function stream_set_option(int $option, int $first, int $second): bool
    {
        return false;
    }

    public function stream_close(): void
    {
    }
}
