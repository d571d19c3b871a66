<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

/** @internal Where the classes of Workerman and GatewayWorker come from, for a program that was written for them. */
final class Classes
{
    private const FOLDERS = [
        'Workerman\\' => __DIR__ . '/Workerman/',
        'GatewayWorker\\' => __DIR__ . '/GatewayWorker/',
    ];

    /** What there is no sense in loading from elsewhere: it needs an event loop of its own, or sockets. */
    private const ABSENT = [
        'Workerman\\Connection\\AsyncUdpConnection' => 'a worker has no event loop for a socket of its own: use '
            . 'PHP\'s stream_socket_client("udp://…"), which may wait',
        'Workerman\\Protocols\\Ws' => 'it is for AsyncTcpConnection, and a worker has no event loop for a socket of '
            . 'its own: have a WebSocket client that may wait',
        'GatewayWorker\\Protocols\\GatewayProtocol' => 'there is no gateway process to speak it with: use '
            . 'GatewayWorker\\Lib\\Gateway, or `host send` from elsewhere',
    ];

    /** Puts them before all other autoloaders. */
    public static function register(): void
    {
        \spl_autoload_register(self::load(...), prepend: true);
    }

    private static function load(string $class): void
    {
        foreach (self::FOLDERS as $prefix => $folder) {
            if (!\str_starts_with($class, $prefix)) {
                continue;
            }
            $why = self::ABSENT[$class] ?? null;
            if ($why !== null) {
                throw new \Error("$class is not there under this host: $why");
            }
            $file = $folder . \strtr(\substr($class, \strlen($prefix)), '\\', '/') . '.php';
            if (\is_file($file)) {
                require $file;
            }
        }
    }
}
