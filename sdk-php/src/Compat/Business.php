<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use GatewayWorker\BusinessWorker;
use GatewayWorker\Lib\Gateway;
use WorkerHost\Connection;
use WorkerHost\Connections;
use WorkerHost\Http\Request;

/** @internal Takes the events of clients to the Events class of a program for GatewayWorker. */
final class Business
{
    /** The group of all clients of Gateways. */
    public const CLIENTS = 'wm:gateway';

    private string|object $events;

    public function __construct(
        private readonly BusinessWorker $worker,
        private readonly Unit $unit,
        private readonly Connections $connections,
    ) {
    }

    /** Finds the class, and tells it that the process begins. */
    public function load(): void
    {
        $this->events = $this->worker->eventHandler;
        if (\is_string($this->events) && !\class_exists($this->events)) {
            $file = $this->worker->folder . '/' . \strtr(\ltrim($this->events, '\\'), '\\', '/') . '.php';
            if (\is_file($file)) {
                require_once $file;
            }
            if (!\class_exists($this->events)) {
                throw new \Error("There is no class $this->events for the BusinessWorker, and no file $file: name it "
                    . 'with $worker->eventHandler');
            }
        }
        $this->tell('onWorkerStart', $this->worker);
    }

    public function stop(): void
    {
        $this->tell('onWorkerStop', $this->worker);
    }

    public function open(Connection $client, ?Request $upgrade): null
    {
        $client->join(self::CLIENTS);
        $this->within($client, function () use ($client, $upgrade): void {
            $this->tell('onConnect', $client->id);
            if ($upgrade !== null) {
                $this->tell('onWebSocketConnect', $client->id,
                    ['get' => $_GET, 'server' => $_SERVER, 'cookie' => $_COOKIE]);
            }
        });

        return null;
    }

    public function message(Connection $client, string $bytes): void
    {
        $this->within($client, function () use ($client, $bytes): void {
            $this->tell('onMessage', $client->id, $bytes);
        });
    }

    public function close(Connection $client): void
    {
        $this->within($client, function () use ($client): void {
            $this->tell('onClose', $client->id);
        });
        Owners::closed($client->id);
    }

    private function tell(string $event, mixed ...$arguments): void
    {
        $callback = [$this->events, $event];
        if (\is_callable($callback)) {
            $callback(...$arguments);
        }
    }

    /** Runs an event with $_SESSION and $_SERVER as the client's, and keeps the first. */
    private function within(Connection $client, \Closure $function): void
    {
        $address = self::split($client->remoteAddress);
        $local = self::split($client->listener);
        $_SERVER = ['REMOTE_ADDR' => $address[0], 'REMOTE_PORT' => $address[1], 'GATEWAY_ADDR' => $local[0],
            'GATEWAY_PORT' => $local[1], 'GATEWAY_CLIENT_ID' => $client->id] + $_SERVER;
        $_SESSION = State::shared($client->session);
        Gateway::enter($client, $this->connections);
        Owners::enter();
        try {
            $function();
            foreach ($_SESSION ?? [] as $name => $value) {
                State::check($value, "\$_SESSION['$name']");
            }
            $client->session = Owners::keep($client->id, State::share($client->session, $_SESSION ?? []));
        } finally {
            Owners::leave();
            Gateway::leave();
            $_SESSION = [];
        }
    }

    /** @return array{string, string} */
    public static function split(string $address): array
    {
        $at = \strrpos($address, ':');

        return $at === false ? ['', '0'] : [\trim(\substr($address, 0, $at), '[]'), \substr($address, $at + 1)];
    }
}
