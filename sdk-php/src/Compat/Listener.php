<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Connection\ConnectionInterface;
use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Text;
use Workerman\Worker;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\LinkError;
use WorkerHost\Log;

/** @internal What a Worker's address (`websocket://0.0.0.0:2346`) says, for the host and for what is sent. */
final class Listener
{
    /** What a program may set for the longest message of a protocol of its own, and has without setting anything. */
    private const MOST = 7 << 20;
    private const USUAL = 1 << 20;
    /** How much else a session may have. */
    private const BESIDE = 64 << 10;

    private const KINDS = ['http', 'websocket', 'tcp', 'udp', 'text', 'unix', 'ssl'];

    private function __construct(
        /** One of KINDS without the last two, or `own` for a protocol that is a class. */
        public readonly string $kind,
        /** As the host writes addresses. */
        public readonly string $address,
        /** @var class-string|null */
        public readonly ?string $protocol,
        /** The PEM files, for TLS; '' without. */
        public readonly string $certificate = '',
        public readonly string $key = '',
    ) {
    }

    /** null for a worker without an address. @throws \Error if it says what there is not */
    public static function of(Worker $worker): ?self
    {
        $name = $worker->getSocketName();
        if ($name === 'none') {
            return null;
        }
        if (\preg_match('~^([A-Za-z][\w\\\\.]*)://(.+)$~', $name, $found) !== 1) {
            throw new \Error("new Worker('$name'): expected a scheme and an address, as in websocket://0.0.0.0:2346");
        }
        [, $scheme, $address] = $found;
        $kind = \strtolower($scheme);
        if ($kind === 'unix') {
            $address = 'unix:' . $address;
        } elseif (\str_starts_with($address, '/')) {
            $address = 'unix:' . $address;
        }
        $protocol = $worker->protocol;
        if (!\in_array($kind, self::KINDS, true)) {
            $protocol ??= self::find($scheme, $name);
        }
        if ($worker->transport === 'udp' && $kind !== 'udp') {
            $protocol ??= \in_array($kind, ['tcp', 'unix', 'ssl'], true) ? null : self::find($kind, $name);
            $kind = 'udp';
        }
        if ($protocol === null) {
            $kind = $kind === 'unix' || $kind === 'ssl' ? 'tcp' : $kind;
        } elseif ($kind !== 'udp') {
            $kind = match (\ltrim($protocol, '\\')) {
                'Workerman\Protocols\Http' => 'http',
                'Workerman\Protocols\Websocket' => 'websocket',
                Text::class => 'text',
                default => 'own',
            };
        }

        [$certificate, $key] = self::tls($worker, $scheme);

        return new self($kind, $address, $kind === 'own' || $kind === 'udp' ? $protocol : null, $certificate, $key);
    }

    /** @return array{string, string} */
    private static function tls(Worker $worker, string $scheme): array
    {
        if ($worker->transport !== 'ssl' && \strtolower($scheme) !== 'ssl') {
            return ['', ''];
        }
        $ssl = $worker->socketContext()['ssl'] ?? [];
        if (!isset($ssl['local_cert'])) {
            throw new \Error("{$worker->getSocketName()}: its transport is ssl, and its context names no "
                . 'certificate: give ssl.local_cert and ssl.local_pk to new Worker()');
        }

        return [(string) $ssl['local_cert'], (string) ($ssl['local_pk'] ?? $ssl['local_cert'])];
    }

    /** The class of a scheme that is none of ours. @return class-string */
    private static function find(string $scheme, string $name): string
    {
        $short = \ucfirst($scheme);
        foreach (["Protocols\\$short", "Workerman\\Protocols\\$short", $scheme] as $class) {
            if (\class_exists($class)) {
                return $class;
            }
        }
        throw new \Error("new Worker('$name'): there is no class Protocols\\$short for this protocol, nor one of "
            . 'Workerman\'s');
    }

    /** The bytes, or the text of a WebSocket, that a client is sent; '' for nothing. */
    public function encode(ConnectionInterface $connection, mixed $data, bool $raw): string
    {
        if ($this->protocol !== null && !$raw) {
            return (string) $this->protocol::encode($data, $connection);
        }
        if ($raw && $this->kind === 'websocket') {
            throw new \Error('send(…, true) to a WebSocket is not there under this host, which writes its frames');
        }
        if ($raw && $this->kind === 'text') {
            $data = (string) $data;
            if (!\str_ends_with($data, "\n")) {
                throw new \Error('send(…, true) to a client of text:// ends with a line feed under this host');
            }

            return \substr($data, 0, -1);
        }

        return (string) $data;
    }

    /** Whether a WebSocket is sent bytes; for others it is all the same. */
    public function binary(string $websocketType): bool
    {
        return $this->kind !== 'websocket' || (\ord($websocketType) & 15) === 2;
    }

    /**
     * How long a message of a protocol of the program's own may be: what is not whole yet travels in the session with
     * each of its events, so Workerman's 10 MiB are for those alone who ask for more than is usual.
     */
    private static function most(): int
    {
        $set = TcpConnection::$defaultMaxPackageSize;

        return $set === TcpConnection::DEFAULT_MAX_PACKAGE_SIZE ? self::USUAL : \min($set, self::MOST);
    }

    /** The least session_limit that the listener does with; 0 is any. */
    public function session(): int
    {
        return $this->kind === 'own' ? self::most() + self::BESIDE : 0;
    }

    /** What of a connection's session holds bytes that are no whole message yet. */
    private const REST = 'wm.rest';

    /**
     * The messages that bytes of a client bring, by the protocol's class; those after the last whole one are kept.
     *
     * @param array<array-key, mixed> $session the connection's
     * @param callable(mixed): void   $message what each goes to
     */
    public function cut(TcpConnection $connection, string $bytes, array &$session, callable $message): void
    {
        $buffer = ($session[self::REST] ?? '') . $bytes;
        unset($session[self::REST]);
        while ($buffer !== '' && $connection->getStatus() === TcpConnection::STATUS_ESTABLISHED) {
            $length = $this->protocol::input($buffer, $connection);
            $length = \is_string($length) && \is_numeric($length) ? (int) $length : $length; // as from base_convert()
            $tooLong = \max((int) $length, $length === 0 ? \strlen($buffer) : 0) > self::most();
            if ($length === false || $length < 0 || $tooLong) {
                $why = $tooLong ? "a message of $this->protocol is longer than " . self::most() . ' bytes, so the '
                    . 'connection is closed: set TcpConnection::$defaultMaxPackageSize before Worker::runAll(), to '
                    . self::MOST . ' at the most' : "{$this->protocol}::input() found no message (it returned "
                    . \var_export($length, true) . '), so the connection is closed';
                Log::warn($why, ['connection' => $connection->id]);
                $connection->close();

                return;
            }
            if ($length === 0 || $length > \strlen($buffer)) {
                $session[self::REST] = $buffer;

                return;
            }
            $one = \substr($buffer, 0, $length);
            $buffer = \substr($buffer, $length);
            try {
                $message($this->protocol::decode($one, $connection));
            } catch (LinkError $e) {
                throw $e;
            } catch (\Throwable $e) { // an event that fails keeps nothing of what came with it
                Log::error(Failure::summary($e) . '; so the connection is closed', ['connection' => $connection->id,
                    'trace' => (string) $e]);
                $connection->close();

                return;
            }
        }
    }
}
