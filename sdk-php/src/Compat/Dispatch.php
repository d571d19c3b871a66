<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use GatewayWorker\BusinessWorker;
use Workerman\Connection\TcpConnection;
use Workerman\Connection\UdpConnection;
use Workerman\Worker;
use WorkerHost\Connection;
use WorkerHost\Connections;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Loop;
use WorkerHost\Internal\Program as Handlers;

/** @internal Takes the host's events and requests to the callbacks of the one Worker that this process is. */
final class Dispatch
{
    /** The group of all connections of this Worker. */
    private readonly string $group;
    private readonly ?Business $business;
    /** @var array<string, \WeakReference<TcpConnection>> by id, so that the program meets the same object again */
    private array $known = [];
    /** @var array<string, TcpConnection> by id, those whose state was looked at */
    private array $touched = [];

    public function __construct(
        private readonly Unit $unit,
        private readonly Loop $loop,
        private readonly Connections $connections,
        private readonly string $pool,
    ) {
        $this->group = "wm:$pool";
        $worker = $unit->worker;
        $this->business = $worker instanceof BusinessWorker ? new Business($worker, $unit, $connections) : null;
    }

    public function install(Handlers $program): void
    {
        $worker = $this->unit->worker;
        $program->starters[] = fn () => $this->business?->load();
        $program->beginners[] = function () use ($worker, $program): void {
            $worker->id = $program->place->slot;
            self::call($worker->onWorkerStart, $worker);
            $this->unit->check(); // webman sets callbacks as late as that
        };
        $program->stoppers[] = function () use ($worker): void {
            $worker->stopping = true;
            self::call($worker->onWorkerStop, $worker);
            $this->business?->stop();
        };
        $kinds = \array_map(static fn (Listener $listener): string => $listener->kind, $this->unit->listeners);
        if ($kinds === ['http']) {
            $streams = new Streams($this->connections, $this->loop, $this->pool);
            $program->handler = new Answers($worker, $this->loop, $streams);
            Program::later(Streams::INTERVAL, $streams->sweep(...), false);
            $program->stoppers[] = $streams->stop(...);
        } elseif ($kinds !== []) {
            $program->wantsGlobals = true;
            $program->events->open = $this->open(...);
            $program->events->message = $this->message(...);
            $program->events->close = $this->close(...);
            $program->events->buffer = $this->buffer(...);
        }
    }

    /** The callback, if there is one. */
    public static function call(mixed $callback, mixed ...$arguments): void
    {
        if ($callback === null) {
            return;
        }
        if (!\is_callable($callback)) {
            throw new \TypeError('a callback of the Worker is a ' . \get_debug_type($callback) . ', which can\'t be '
                . 'called');
        }
        $callback(...$arguments);
    }

    public function listenerOf(Connection $client): Listener
    {
        return $this->unit->listeners[$this->place($client)];
    }

    /** Where the listener is among those of the unit. */
    private function place(Connection $client): int
    {
        foreach ($this->unit->listeners as $i => $listener) {
            if ($listener->address === $client->listener) {
                return $i;
            }
        }

        return 0; // the host's flags or host.toml have moved the only one
    }

    /** @return array<string, TcpConnection> */
    public function of(Worker $worker): array
    {
        if ($worker !== $this->unit->worker) {
            throw new \Error('$worker->connections of another Worker: its connections belong to its processes');
        }
        $all = [];
        foreach ($this->connections->all($this->group) as $id => $client) {
            $known = isset($this->known[$id]) ? $this->known[$id]->get() : null;
            if ($known === null) {
                $known = $this->meet($client);
            }
            $all[$id] = $known;
        }

        return $all;
    }

    public function touched(TcpConnection $connection): void
    {
        if ($connection->id !== '') {
            $this->touched[$connection->id] = $connection;
        }
    }

    /** The program's object for a client. */
    private function meet(Connection $client): TcpConnection
    {
        $known = isset($this->known[$client->id]) ? $this->known[$client->id]->get() : null;
        if ($known === null) {
            $known = new TcpConnection($this->unit->worker);
            $this->known[$client->id] = \WeakReference::create($known);
        }
        $known->attach($client);

        return $known;
    }

    private function open(Connection $client, ?Request $upgrade): ?Response
    {
        if ($this->business !== null) {
            return $this->business->open($client, $upgrade);
        }
        $listener = $this->listenerOf($client);
        $worker = $this->unit->worker;
        $connection = $this->meet($client);
        $client->join($this->group);
        $this->within($connection, $client, static function () use ($worker, $connection, $upgrade, $listener): void {
            self::call($worker->onConnect, $connection);
            if ($listener->kind === 'websocket') {
                $opens = $connection->onWebSocketConnect ?? $worker->onWebSocketConnect;
                $request = $upgrade === null || $opens === null ? null
                    : \Workerman\Protocols\Http\Request::of($upgrade, $connection);
                self::call($opens, $connection, $request);
                self::call($connection->onWebSocketConnected ?? $worker->onWebSocketConnected, $connection, $request);
                $connection->onWebSocketConnect = $connection->onWebSocketConnected = null;
            }
        });
        if ($upgrade !== null && $connection->headers !== []) {
            $client->accept('', self::headers($connection->headers));
            $connection->headers = [];
        }

        return null;
    }

    /** @param array<mixed> $lines name => value, or whole lines @return array<string, string|list<string>> */
    private static function headers(array $lines): array
    {
        $headers = [];
        foreach ($lines as $name => $value) {
            if (\is_int($name)) {
                [$name, $value] = \explode(':', (string) $value, 2) + [1 => ''];
            }
            $headers[\trim($name)] = \is_array($value) ? $value : \trim((string) $value);
        }

        return $headers;
    }

    private function message(Connection $client, string $bytes): void
    {
        if ($this->business !== null) {
            $this->business->message($client, $bytes);

            return;
        }
        $listener = $this->listenerOf($client);
        $worker = $this->unit->worker;
        if ($listener->kind === 'udp') {
            $sender = new UdpConnection($client);
            $sender->protocol = $listener->protocol;
            self::call($worker->onMessage, $sender,
                $listener->protocol === null ? $bytes : $listener->protocol::decode($bytes, $sender));

            return;
        }
        $connection = $this->meet($client);
        $connection->bytesRead += \strlen($bytes);
        $this->within($connection, $client, static function () use ($connection, $worker, $bytes, $listener, $client) {
            $handler = $connection->onMessage ?? $worker->onMessage;
            if ($listener->kind !== 'own') {
                self::call($handler, $connection, $bytes);

                return;
            }
            $listener->cut($connection, $bytes, $client->session, static function (mixed $one) use ($connection,
                $handler): void {
                self::call($handler, $connection, $one);
            });
        });
    }

    private function close(Connection $client): void
    {
        if ($this->business !== null) {
            $this->business->close($client);

            return;
        }
        $connection = $this->meet($client);
        $connection->closed();
        unset($this->known[$client->id]);
        Owners::enter();
        try {
            self::call($connection->onClose ?? $this->unit->worker->onClose, $connection);
        } finally {
            Owners::leave();
            Owners::closed($client->id);
            unset($this->touched[$client->id]);
            $this->settle();
        }
    }

    private function buffer(Connection $client, bool $full): void
    {
        if ($this->business !== null) {
            return;
        }
        $worker = $this->unit->worker;
        $connection = $this->meet($client);
        $this->within($connection, $client, static fn () => $full
            ? self::call($connection->onBufferFull ?? $worker->onBufferFull, $connection)
            : self::call($connection->onBufferDrain ?? $worker->onBufferDrain, $connection));
    }

    /** Runs what an event of the connection brings, and keeps what was set on it, and on others. */
    private function within(TcpConnection $connection, Connection $client, \Closure $function): void
    {
        Owners::enter();
        try {
            $function();
            $client->session = Owners::keep($client->id, $connection->keep($client->session));
            $connection->kept($client->session);
        } catch (\Throwable $e) {
            $connection->undo();
            throw $e;
        } finally {
            Owners::leave();
            unset($this->touched[$client->id]);
            $this->settle();
        }
    }

    /** What was set on connections that are not those of the event. */
    private function settle(): void
    {
        [$touched, $this->touched] = [$this->touched, []];
        foreach ($touched as $id => $connection) {
            if ($connection->isChanged()) {
                $session = $this->connections->updateSession($id, $connection->keep(...));
                $connection->kept($session ?? []);
            }
        }
    }
}
