<?php

declare(strict_types=1);

namespace Workerman\Protocols;

use Workerman\Connection\ConnectionInterface;

/** Lines. Of a listener `text://` the host itself cuts and joins them; this is for code that calls it. */
class Text
{
    public static function input(string $buffer, ConnectionInterface $connection): int
    {
        $end = \strpos($buffer, "\n");

        return $end === false ? 0 : $end + 1;
    }

    public static function decode(string $buffer): string
    {
        return \rtrim($buffer, "\r\n");
    }

    public static function encode(string $buffer): string
    {
        return "$buffer\n";
    }
}
