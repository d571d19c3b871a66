<?php

declare(strict_types=1);

namespace GatewayWorker\Lib;

/** Whose event is at hand; null outside of one. */
class Context
{
    public static ?string $client_id = null;
    public static ?string $client_ip = null;
    public static ?string $client_port = null;
    public static ?string $local_ip = null;
    public static ?string $local_port = null;

    /** The event is over. */
    public static function clear(): void
    {
        self::$client_id = self::$client_ip = self::$client_port = self::$local_ip = self::$local_port = null;
    }
}
