<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Connection\TcpConnection;

/** @internal What the host is told of a program's Workers, before it starts any. */
final class Declaration
{
    /** The variable with the descriptor that it goes to. */
    private const TO = 'WORKERHOST_DECLARE';

    public static function isAskedFor(): bool
    {
        return \getenv(self::TO) !== false;
    }

    /** @param array<string, Unit> $units */
    public static function make(array $units): void
    {
        $workers = [];
        $error = '';
        try {
            foreach ($units as $name => $unit) {
                $workers[] = ['Name' => $name, 'Count' => \max(1, $unit->worker->count),
                    'Listen' => \array_map(self::listener(...), $unit->listeners)];
                self::checkUser($unit);
            }
            if ($workers === []) {
                $error = 'it calls Worker::runAll() without any Worker that does something';
            }
        } catch (\Throwable $e) {
            $error = $e->getMessage();
        }
        $to = \fopen('php://fd/' . \getenv(self::TO), 'w');
        \fwrite($to, \json_encode(['Workers' => $workers, 'Error' => $error], \JSON_INVALID_UTF8_SUBSTITUTE));
        \fclose($to);
    }

    /** @return array<string, string|int> */
    private static function listener(Listener $listener): array
    {
        return [
            'Address' => $listener->address,
            'Protocol' => match ($listener->kind) {
                'http', 'websocket' => 'http',
                'udp' => 'udp',
                default => 'tcp',
            },
            'Framing' => match ($listener->kind) {
                'text' => 'line',
                'tcp', 'own' => 'raw',
                default => '',
            },
            'Message' => \max(1, \min(TcpConnection::$defaultMaxPackageSize, 128 << 20)), // max_message's bounds
            'Session' => $listener->session(),
            'Certificate' => $listener->certificate,
            'Key' => $listener->key,
        ];
    }

    private static function checkUser(Unit $unit): void
    {
        $user = $unit->worker->user;
        if ($user === '' || !\function_exists('posix_geteuid') || \posix_geteuid() !== 0 || $user === 'root') {
            return;
        }
        throw new \Error("the Worker {$unit->worker->name} wants to run as the user $user: write user = \"$user\" "
            . 'into its pool in host.toml, since here the host chooses');
    }
}
