<?php

declare(strict_types=1);

namespace Workerman\Protocols;

use Workerman\Connection\ConnectionInterface;

/** A protocol of the program's own. */
interface ProtocolInterface
{
    /** How long the message is that $buffer begins with; 0 if that can't be told yet, below 0 if it is none. */
    public static function input(string $buffer, ConnectionInterface $connection): int;

    /** What onMessage gets for a message. */
    public static function decode(string $buffer, ConnectionInterface $connection): mixed;

    /** The bytes of what is sent. */
    public static function encode(mixed $data, ConnectionInterface $connection): string;
}
