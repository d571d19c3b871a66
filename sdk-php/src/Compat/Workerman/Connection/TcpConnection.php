<?php

declare(strict_types=1);

namespace Workerman\Connection;

use Workerman\Protocols\Websocket;
use Workerman\Worker;
use WorkerHost\Compat\Program;
use WorkerHost\Compat\State;
use WorkerHost\Connection;

/**
 * A client's connection. The host holds it, so this is what one worker process has of it for a while: what a program
 * sets on it is kept by the host, for whichever process has the next event.
 */
class TcpConnection extends ConnectionInterface implements \JsonSerializable
{
    public const READ_BUFFER_SIZE = 87380;
    public const STATUS_INITIAL = 0;
    public const STATUS_CONNECTING = 1;
    public const STATUS_ESTABLISHED = 2;
    public const STATUS_ENDING = 4;
    public const STATUS_CLOSING = 8;
    public const STATUS_CLOSED = 16;

    /** @internal */
    public const DEFAULT_MAX_PACKAGE_SIZE = 10485760;

    /** Callbacks of one connection that are set while it opens; see State. @var list<string> */
    private const CALLBACKS = ['onMessage', 'onClose', 'onError', 'onBufferFull', 'onBufferDrain'];

    public static int $defaultMaxSendBufferSize = 1048576;
    /** Bytes of the longest message; what is set here before Worker::runAll() is the listener's max_message. */
    public static int $defaultMaxPackageSize = self::DEFAULT_MAX_PACKAGE_SIZE;

    /** @var callable|null */
    public $onConnect = null;
    /** @var callable|null */
    public $onWebSocketConnect = null;
    /** @var callable|null */
    public $onWebSocketConnected = null;
    /** @var callable|null */
    public $onBufferFull = null;
    /** @var callable|null */
    public $onBufferDrain = null;
    public string $transport = 'tcp';
    public ?Worker $worker = null;
    /** Unique among all connections of the host; Workerman's is a number, and unique in its process. */
    public string $id = '';
    public int $maxSendBufferSize;
    public int $maxPackageSize;
    public \stdClass $context;
    /** For a WebSocket: whether send() sends text or bytes. */
    public string $websocketType = Websocket::BINARY_TYPE_BLOB;
    /** For a WebSocket, while it opens: headers of the answer, name => value or whole lines. @var array<mixed> */
    public array $headers = [];
    public int $bytesRead = 0;
    public int $bytesWritten = 0;

    protected int $status = self::STATUS_ESTABLISHED;
    /** @var array<string, mixed> what the program has set, by property */
    private array $set = [];
    private ?Connection $client = null;
    /** @var array<array-key, mixed> the session as it was when this was filled from it */
    private array $session = [];

    /** @internal */
    public function __construct(?Worker $worker)
    {
        $this->worker = $worker;
        $this->maxSendBufferSize = self::$defaultMaxSendBufferSize;
        $this->maxPackageSize = self::$defaultMaxPackageSize;
        $this->context = new \stdClass();
    }

    /** @internal the host's connection as it is now: what is at hand is filled from its session */
    public function attach(Connection $client): void
    {
        $this->client = $client;
        $this->id = $client->id;
        $this->restore($client->session);
    }

    /** @internal @param array<array-key, mixed> $session */
    public function restore(array $session): void
    {
        $this->session = $session;
        $this->set = State::of($session, 'set');
        $this->context = (object) State::of($session, 'context');
        $callbacks = State::of($session, 'on');
        foreach (self::CALLBACKS as $name) {
            $this->$name = $callbacks[$name] ?? null;
        }
        $this->websocketType = $session['wm.type'] ?? Websocket::BINARY_TYPE_BLOB;
    }

    /** @internal what was set is undone */
    public function undo(): void
    {
        $this->restore($this->session);
    }

    /** @internal a session with what the program has set meanwhile. @param array<array-key, mixed> $session */
    public function keep(array $session): array
    {
        if ($this->protocol !== null) {
            throw new \Error('$connection->protocol can\'t be changed under this host, where a listener has one '
                . 'protocol: set $worker->protocol');
        }
        $callbacks = [];
        foreach (self::CALLBACKS as $name) {
            if ($this->$name !== null) {
                State::check($this->$name, "the connection's \$$name (set it on the Worker instead, where it is "
                    . 'there for all of its connections)');
                $callbacks[$name] = $this->$name;
            }
        }
        foreach ($this->set as $name => $value) {
            State::check($value, "\$connection->$name");
        }
        foreach ((array) $this->context as $name => $value) {
            State::check($value, "\$connection->context->$name");
        }
        $session = State::with($session, 'set', $this->set);
        $session = State::with($session, 'context', (array) $this->context);
        $session = State::with($session, 'on', $callbacks);
        if ($this->websocketType !== Websocket::BINARY_TYPE_BLOB) {
            $session['wm.type'] = $this->websocketType;
        } else {
            unset($session['wm.type']);
        }

        return $session;
    }

    /** @internal whether keep() would change the session that this was filled from */
    public function isChanged(): bool
    {
        return $this->keep($this->session) !== $this->session;
    }

    /** @internal what is to be kept was kept. @param array<array-key, mixed> $session */
    public function kept(array $session): void
    {
        $this->session = $session;
    }

    public function send(mixed $sendBuffer, bool $raw = false): ?bool
    {
        if ($this->status >= self::STATUS_CLOSING) {
            return false;
        }
        $listener = Program::listenerOf($this);
        $data = $listener->encode($this, $sendBuffer, $raw);
        if ($data === '' && $sendBuffer !== '') {
            return null;
        }
        $this->client()->send($data, binary: $listener->binary($this->websocketType));
        $this->bytesWritten += \strlen($data);

        return true;
    }

    public function close(mixed $data = null, bool $raw = false): void
    {
        if ($this->status >= self::STATUS_CLOSING) {
            return;
        }
        if ($data !== null) {
            $this->send($data, $raw);
        }
        $this->status = self::STATUS_CLOSING;
        $this->client()->close();
    }

    /** As close(), which is what a client of Workerman's that still sends notices of it. */
    public function end(mixed $data = null, bool $raw = false): void
    {
        $this->close($data, $raw);
    }

    public function destroy(): void
    {
        $this->close();
    }

    /** No more messages of this client come until resumeRecv(): @throws \Error */
    public function pauseRecv(): void
    {
        throw new \Error('pauseRecv() is not there under this host, which reads no more from a client than its '
            . 'workers have handled: a handler that waits holds it back by itself');
    }

    /** @throws \Error */
    public function resumeRecv(): void
    {
        throw new \Error('resumeRecv() is not there under this host, and neither is pauseRecv()');
    }

    /** @throws \Error */
    public function pipe(self $dest): void
    {
        throw new \Error('pipe() is not there under this host: send() what comes in onMessage');
    }

    /** @return int|string one of the STATUS_ constants, or its name */
    public function getStatus(bool $rawOutput = true): int|string
    {
        $names = [2 => 'ESTABLISHED', 8 => 'CLOSING', 16 => 'CLOSED'];

        return $rawOutput ? $this->status : $names[$this->status] ?? 'INITIAL';
    }

    public function getRemoteAddress(): string
    {
        return $this->client()->remoteAddress;
    }

    /** The address that its listener was configured with. */
    public function getLocalAddress(): string
    {
        return $this->client()->listener;
    }

    /** How much waits for the client is the host's to know: onBufferFull and onBufferDrain tell. */
    public function getSendBufferQueueSize(): int
    {
        return 0;
    }

    public function getRecvBufferQueueSize(): int
    {
        return 0;
    }

    public function bufferIsEmpty(): bool
    {
        return true;
    }

    /** @throws \Error */
    public function getSocket(): never
    {
        throw new \Error('getSocket() is not there under this host: the socket is the host\'s');
    }

    /** @return array<string, mixed> */
    public function jsonSerialize(): array
    {
        return ['id' => $this->id, 'status' => $this->getStatus(), 'transport' => $this->transport,
            'getRemoteIp' => $this->getRemoteIp(), 'remotePort' => $this->getRemotePort(),
            'getRemoteAddress' => $this->getRemoteAddress(), 'getLocalIp' => $this->getLocalIp(),
            'getLocalPort' => $this->getLocalPort(), 'getLocalAddress' => $this->getLocalAddress(),
            'isIpV4' => $this->isIpV4(), 'isIpV6' => $this->isIpV6()];
    }

    /** @internal its last event has come */
    public function closed(): void
    {
        $this->status = self::STATUS_CLOSED;
    }

    /** @internal */
    public function client(): Connection
    {
        return $this->client ?? throw new \Error('This connection is none of a client');
    }

    /** What the program has set. A reference, so that elements of an array can be set too. */
    public function &__get(string $name): mixed
    {
        Program::touched($this);
        if (!\array_key_exists($name, $this->set)) {
            $none = null;

            return $none;
        }

        return $this->set[$name];
    }

    public function __set(string $name, mixed $value): void
    {
        Program::touched($this);
        $this->set[$name] = $value;
    }

    public function __isset(string $name): bool
    {
        return isset($this->set[$name]);
    }

    public function __unset(string $name): void
    {
        Program::touched($this);
        unset($this->set[$name]);
    }
}
