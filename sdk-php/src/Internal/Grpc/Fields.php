<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Grpc;

/** @internal Reads a message of protobuf whose class nobody has generated: the few that the bridge needs itself. */
final class Fields
{
    /**
     * Its fields, in order.
     *
     * @return list<array{int, int|string}> number, and a number or bytes; fixed ones of 4 and 8 bytes are bytes
     *
     * @throws \UnexpectedValueException if it is malformed
     */
    public static function of(string $message): array
    {
        $fields = [];
        for ($at = 0, $size = \strlen($message); $at < $size;) {
            $tag = self::varint($message, $at);
            $value = self::varint($message, $at, $tag & 7);
            if (($tag & 7) !== 0) {
                $length = (int) $value;
                if ($length < 0 || $length > $size - $at) {
                    throw new \UnexpectedValueException('a field is longer than its message');
                }
                $value = \substr($message, $at, $length);
                $at += $length;
            }
            $fields[] = [$tag >> 3, $value];
        }

        return $fields;
    }

    /** @param int $type of the field: of 1, 2 and 5 the length of what follows */
    private static function varint(string $message, int &$at, int $type = 0): int
    {
        if ($type === 1 || $type === 5) {
            return $type === 1 ? 8 : 4;
        }
        if ($type !== 0 && $type !== 2) {
            throw new \UnexpectedValueException("a field is of type $type");
        }
        $number = 0;
        for ($shift = 0; $shift < 64; $shift += 7) {
            $byte = \ord($message[$at] ?? throw new \UnexpectedValueException('it ends within a number'));
            $at++;
            $number |= ($byte & 127) << $shift;
            if ($byte < 128) {
                return $number;
            }
        }
        throw new \UnexpectedValueException('a number is longer than ten bytes');
    }
}
