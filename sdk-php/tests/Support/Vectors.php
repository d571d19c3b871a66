<?php

declare(strict_types=1);

namespace WorkerHost\Tests\Support;

/** The golden frames of protocol/vectors, in PHP's terms. */
final class Vectors
{
    /** @return list<\stdClass> */
    public static function load(string $file): array
    {
        return json_decode((string) file_get_contents(__DIR__ . "/../../../protocol/vectors/$file"), false, 512,
            \JSON_THROW_ON_ERROR);
    }

    /** The message of valid.json's vector of that name. @return list<mixed> */
    public static function message(string $name): array
    {
        foreach (self::load('valid.json') as $vector) {
            if ($vector->name === $name) {
                return self::value($vector->message);
            }
        }
        throw new \OutOfBoundsException("valid.json has no $name");
    }

    /** Hex in parts, of which `XX*N` stands for N times the byte XX. */
    public static function bytes(string $hex): string
    {
        $bytes = '';
        foreach ($hex === '' ? [] : explode(' ', $hex) as $part) {
            [$digits, $count] = explode('*', $part) + [1 => '1'];
            $bytes .= str_repeat((string) hex2bin($digits), (int) $count);
        }

        return $bytes;
    }

    /** A member `message` as the decoder gives it. */
    public static function value(mixed $json): mixed
    {
        if (is_array($json)) {
            return array_map(self::value(...), $json);
        }
        if (!$json instanceof \stdClass) {
            return $json;
        }
        $members = (array) $json;
        if (array_keys($members) === ['hex']) {
            return (string) hex2bin($json->hex);
        }
        if (array_keys($members) === ['repeat']) {
            return str_repeat(...$json->repeat);
        }
        if (array_keys($members) === ['ext']) {
            return (object) ['type' => $json->ext[0], 'data' => (string) hex2bin($json->ext[1])];
        }
        $map = array_map(self::value(...), $members);

        return array_is_list($map) ? (object) $map : $map;
    }
}
