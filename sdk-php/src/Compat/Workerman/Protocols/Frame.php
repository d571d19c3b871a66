<?php

declare(strict_types=1);

namespace Workerman\Protocols;

/** Messages behind their length, four bytes, big-endian, which counts itself. */
class Frame
{
    public static function input(string $buffer): int
    {
        return \strlen($buffer) < 4 ? 0 : \unpack('N', $buffer)[1];
    }

    public static function decode(string $buffer): string
    {
        return \substr($buffer, 4);
    }

    public static function encode(string $data): string
    {
        return \pack('N', \strlen($data) + 4) . $data;
    }
}
