<?php

// MessagePack in plain PHP, for where the extension is not loaded, and the judge of every payload that the extension
// would have written otherwise. Every count is checked against the bytes left before anything is made of it (SPEC.md
// §2.4).

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal str and bin are both PHP strings. A map is an array, unless it would look like a list (empty, or keyed 0,
 *     1, …): then
 * it is a stdClass. Extension types are stdClass too, and an integer above int64 is a float, so none passes for what
 * it is not.
 */
final class Msgpack
{
    /**
     * A value may be 16 deep (SPEC.md §2.4), and those of a session stand in two lists; Message judges each by itself.
     */
    private const MAX_DEPTH = 18;

    private string $bytes;
    private int $at;
    private int $length;

    /**
     * @return list<mixed> the elements of the one array that $payload is
     *
     * @throws LinkError
     */
    public function unpack(string $payload): array
    {
        $this->bytes = $payload;
        $this->length = \strlen($payload);
        $this->at = 0;
        $code = $this->length > 0 ? \ord($payload[0]) : 0xc1;
        if (($code & 0xf0) !== 0x90 && $code !== 0xdc && $code !== 0xdd) {
            throw new LinkError('a MessagePack array', LinkError::show($payload), '2.1');
        }
        $message = $this->value(-1);
        if ($this->at !== $this->length) {
            $this->fail('the end of the payload', ($this->length - $this->at) . ' bytes more');
        }
        $this->bytes = '';

        return $message;
    }

    private function value(int $depth): mixed
    {
        if ($this->at >= $this->length) {
            $this->fail('a value', 'the end of the payload');
        }
        $code = \ord($this->bytes[$this->at++]);
        if ($code <= 0x7f) {
            return $code;
        }
        if ($code >= 0xa0 && $code <= 0xbf) {
            return $this->take($code & 0x1f);
        }
        if ($code >= 0xe0) {
            return $code - 256;
        }
        if ($code >= 0x90 && $code <= 0x9f) {
            return $this->list($code & 0x0f, $depth);
        }
        if ($code <= 0x8f) {
            return $this->map($code & 0x0f, $depth);
        }

        return match ($code) {
            0xc0 => null,
            0xc2 => false,
            0xc3 => true,
            0xc4, 0xd9 => $this->take($this->number('C', 1)),
            0xc5, 0xda => $this->take($this->number('n', 2)),
            0xc6, 0xdb => $this->take($this->number('N', 4)),
            0xca => \unpack('G', $this->take(4))[1],
            0xcb => \unpack('E', $this->take(8))[1],
            0xcc => $this->number('C', 1),
            0xcd => $this->number('n', 2),
            0xce => $this->number('N', 4),
            0xcf => $this->unsigned(),
            0xd0 => $this->number('c', 1),
            0xd1 => ($this->number('n', 2) ^ 0x8000) - 0x8000,
            0xd2 => ($this->number('N', 4) ^ 0x80000000) - 0x80000000,
            0xd3 => $this->number('J', 8),
            0xdc => $this->list($this->number('n', 2), $depth),
            0xdd => $this->list($this->number('N', 4), $depth),
            0xde => $this->map($this->number('n', 2), $depth),
            0xdf => $this->map($this->number('N', 4), $depth),
            0xc7 => $this->extension($this->number('C', 1)),
            0xc8 => $this->extension($this->number('n', 2)),
            0xc9 => $this->extension($this->number('N', 4)),
            0xd4, 0xd5, 0xd6, 0xd7, 0xd8 => $this->extension(1 << ($code - 0xd4)),
            default => $this->fail('a MessagePack value', 'the byte c1, which begins none'),
        };
    }

    private function take(int $count): string
    {
        if ($count > $this->length - $this->at) {
            $this->fail("$count bytes", ($this->length - $this->at) . ' before the end of the payload');
        }
        $taken = \substr($this->bytes, $this->at, $count);
        $this->at += $count;

        return $taken;
    }

    private function number(string $format, int $size): int
    {
        if ($size > $this->length - $this->at) {
            $this->fail("a number of $size bytes", 'the end of the payload');
        }
        $number = \unpack($format, $this->bytes, $this->at)[1];
        $this->at += $size;

        return $number;
    }

    private function unsigned(): int|float
    {
        $number = $this->number('J', 8);

        return $number >= 0 ? $number : $number + 18446744073709551616.0;
    }

    /** An array or a map of that many values fits, in the bytes left and at this depth. */
    private function room(int $count, int $depth): void
    {
        if ($depth >= self::MAX_DEPTH) {
            $this->fail('at most ' . self::MAX_DEPTH . ' arrays and maps one within another', 'more');
        }
        if ($count > $this->length - $this->at) {
            $this->fail("$count elements", 'only ' . ($this->length - $this->at) . ' bytes for them');
        }
    }

    /** @return list<mixed> */
    private function list(int $count, int $depth): array
    {
        $this->room($count, $depth);
        $list = [];
        for ($i = 0; $i < $count; ++$i) {
            // Short strings are most of a request; a call for each would double the time.
            $code = $this->at < $this->length ? \ord($this->bytes[$this->at]) : 0;
            if ($code >= 0xa0 && $code <= 0xbf && ($size = $code & 0x1f) < $this->length - $this->at) {
                $list[] = \substr($this->bytes, $this->at + 1, $size);
                $this->at += 1 + $size;
            } else {
                $list[] = $this->value($depth + 1);
            }
        }

        return $list;
    }

    /** @return array<mixed>|\stdClass */
    private function map(int $count, int $depth): array|\stdClass
    {
        $this->room(2 * $count, $depth);
        $map = [];
        for ($i = 0; $i < $count; ++$i) {
            $key = $this->value($depth + 1);
            if (!\is_string($key) && !\is_int($key)) {
                $this->fail('a map with text or integer keys', 'a key of type ' . \get_debug_type($key));
            }
            $map[$key] = $this->value($depth + 1);
        }

        return \array_is_list($map) ? (object) $map : $map;
    }

    private function extension(int $size): \stdClass
    {
        return (object) ['type' => $this->number('c', 1), 'data' => $this->take($size)];
    }

    private function fail(string $expected, string $got): never
    {
        throw new LinkError($expected, "$got at byte {$this->at} of a message, which is "
            . LinkError::show($this->bytes));
    }

    /**
     * Writes what ext-msgpack writes: the shortest form of each integer, strings as str, lists as arrays, other arrays
     * as maps.
     */
    public static function pack(mixed $value): string
    {
        if (\is_string($value)) {
            $size = \strlen($value);

            return match (true) {
                $size <= 31 => \chr(0xa0 | $size),
                $size <= 0xff => "\xd9" . \chr($size),
                $size <= 0xffff => \pack('Cn', 0xda, $size),
                default => \pack('CN', 0xdb, $size),
            } . $value;
        }
        if (\is_int($value)) {
            return self::integer($value);
        }
        if (\is_array($value)) {
            return self::array($value);
        }

        return match (true) {
            $value === null => "\xc0",
            $value === false => "\xc2",
            $value === true => "\xc3",
            \is_float($value) => \pack('CE', 0xcb, $value),
            default => throw new \TypeError('a message holds no ' . \get_debug_type($value)),
        };
    }

    private static function integer(int $value): string
    {
        return match (true) {
            $value >= 0 => match (true) {
                $value <= 0x7f => \chr($value),
                $value <= 0xff => "\xcc" . \chr($value),
                $value <= 0xffff => \pack('Cn', 0xcd, $value),
                $value <= 0xffffffff => \pack('CN', 0xce, $value),
                default => \pack('CJ', 0xcf, $value),
            },
            $value >= -32 => \chr($value & 0xff),
            $value >= -0x80 => "\xd0" . \chr($value & 0xff),
            $value >= -0x8000 => \pack('Cn', 0xd1, $value & 0xffff),
            $value >= -0x80000000 => \pack('CN', 0xd2, $value & 0xffffffff),
            default => \pack('CJ', 0xd3, $value),
        };
    }

    /** @param array<mixed> $value */
    private static function array(array $value): string
    {
        $count = \count($value);
        $list = \array_is_list($value);
        $packed = match (true) {
            $count <= 15 => \chr(($list ? 0x90 : 0x80) | $count),
            $count <= 0xffff => \pack('Cn', $list ? 0xdc : 0xde, $count),
            default => \pack('CN', $list ? 0xdd : 0xdf, $count),
        };
        if ($list) {
            foreach ($value as $element) {
                $packed .= self::pack($element);
            }
        } else {
            foreach ($value as $key => $element) {
                $packed .= self::pack($key) . self::pack($element);
            }
        }

        return $packed;
    }
}
