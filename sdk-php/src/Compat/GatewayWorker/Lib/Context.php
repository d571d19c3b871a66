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
    /** @var array<mixed>|null of no effect */
    public static ?array $old_session = null;

    /** What setSocketSession() takes. */
    public static function sessionEncode(mixed $session_data = ''): string
    {
        return $session_data !== '' ? \serialize($session_data) : '';
    }

    /** @return array<mixed> without objects, which no session holds */
    public static function sessionDecode(string $session_buffer): array
    {
        return (array) \unserialize($session_buffer === '' ? 'a:0:{}' : $session_buffer, ['allowed_classes' => false]);
    }

    /** @param list<mixed> $arguments */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw new \Error("GatewayWorker\\Lib\\Context::$name() is not there under this host");
    }

    /** The event is over. */
    public static function clear(): void
    {
        self::$client_id = self::$client_ip = self::$client_port = self::$local_ip = self::$local_port = null;
    }
}
