<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\CallFailed;

/** @internal What Connections has of dials: connections that the host makes, and keeps (SPEC.md §16). */
trait Dials
{
    /** @param list<mixed> $arguments */
    abstract private function question(string $method, array $arguments): mixed;

    /**
     * Has the host make a connection with another server, and keep it as those of clients: onOpen() once it stands,
     * without a request, onMessage() and onClose() in whichever worker is free; a Connection's $dial has the name. It
     * outlives workers and reloads, and comes back by itself. This does not wait until it stands.
     *
     * A name has one dial, however many workers ask: to ask again with the same terms does nothing, so that each
     * worker may do it when it starts. Other terms replace it; session, groups and uid are none. It is asked for at
     * once, and stays if the handler fails. host.toml has to allow it: `[pool.NAME.fetch] allow = ["wss://…"]`.
     *
     *     $worker->after(0, fn () => $worker->connections()->dial('wss://feed.example/v1', 'prices'));
     *
     * @param string $url `wss://` or `ws://`: a WebSocket; `tls://` or `tcp://` with a port: TCP; `https://` or
     *     `http://`: server-sent events. Without user, password and fragment
     * @param string $name 1 to 128 bytes of UTF-8 without control characters
     * @param array<array-key, mixed> $session what the first connection begins with, as $groups and $uid; each later
     *     one has what the one before had at its end
     * @param list<string> $groups
     * @param string|int $uid '' for none
     * @param array<array-key, string|int|float|list<string|int|float>> $headers of the request of a WebSocket or of
     *     server-sent events; `{secret:NAME}` in a value stands for a secret of host.toml
     * @param list<string> $subprotocols that a WebSocket offers, the best first
     * @param string $framing of TCP, where a message ends: `raw` (nowhere), `line`, `length16`, `length32`, or
     *     `delimiter`, which $delimiter says by itself
     * @param string $delimiter of TCP: 1 to 64 bytes that end a message
     * @param bool $reconnect whether it comes back when it ends, and is tried again when it does not come to stand
     * @param float $reconnectMax the longest pause between two tries, in seconds, at least 0.1; they begin with half a
     *     second at most, and double
     * @param float $connectTimeout seconds until it stands, at least 0.001
     * @param float $pingInterval seconds of silence after which a WebSocket is pinged; 0 is never
     * @param float $pongTimeout seconds in which it has to answer; 0 is without a limit
     * @param float $idleTimeout seconds without a message either way, of server-sent events without a byte, until it
     *     is hung up with 1001; 0 is never
     * @param int $maxMessage bytes of a message from the other end; beyond it is hung up with 1009
     *
     * @return string `begun`; `there`: the name has one with these terms, or newer code has asked for others;
     *     `replaced`: it had one with others
     *
     * @throws CallFailed PERMISSION_DENIED if host.toml does not allow it, or another pool or a [[dial]] has the name;
     *     INVALID_ARGUMENT; UNAVAILABLE if there are too many, or the host stops
     * @throws \ValueError for a header that HTTP does not allow, and a time that is none
     * @throws \TypeError if the session holds what can't be kept
     */
    public function dial(string $url, string $name, array $session = [], array $groups = [], string|int $uid = '',
        array $headers = [], array $subprotocols = [], string $framing = 'raw', string $delimiter = '',
        bool $reconnect = true, float $reconnectMax = 60, float $connectTimeout = 10, float $pingInterval = 30,
        float $pongTimeout = 10, float $idleTimeout = 0, int $maxMessage = 1 << 20): string
    {
        $options = [
            'session' => $session === [] ? [] : Upgrade::stamp(Entries::changes([], $session)[0]),
            'groups' => self::names($groups), 'headers' => Headers::pairs($headers),
            'subprotocols' => self::names($subprotocols), 'uid' => (string) $uid,
            'framing' => $delimiter !== '' && $framing === 'raw' ? 'delimiter' : $framing, 'delimiter' => $delimiter,
            'reconnect' => $reconnect, 'reconnect_max' => self::milliseconds('reconnectMax', $reconnectMax, 0.1),
            'connect_timeout' => self::milliseconds('connectTimeout', $connectTimeout, 0.001),
            'ping_interval' => self::milliseconds('pingInterval', $pingInterval, 0),
            'pong_timeout' => self::milliseconds('pongTimeout', $pongTimeout, 0),
            'idle_timeout' => self::milliseconds('idleTimeout', $idleTimeout, 0), 'max_message' => $maxMessage,
        ];
        $plain = ['session' => [], 'groups' => [], 'headers' => [], 'subprotocols' => [], 'uid' => '',
            'framing' => 'raw', 'delimiter' => '', 'reconnect' => true, 'reconnect_max' => 60000,
            'connect_timeout' => 10000, 'ping_interval' => 30000, 'pong_timeout' => 10000, 'idle_timeout' => 0,
            'max_message' => 1 << 20];
        $list = [];
        foreach ($options as $key => $value) {
            if ($value !== $plain[$key]) {
                $list[] = $key;
                $list[] = $value;
            }
        }

        return (string) $this->question('dial.open', $list === [] ? [$url, $name] : [$url, $name, $list]);
    }

    /**
     * Hangs a dial up, for good, and at once. Its connection's onClose() follows.
     *
     * @return bool whether there was one
     *
     * @throws CallFailed PERMISSION_DENIED if a [[dial]] of host.toml has the name
     */
    public function closeDial(string $name): bool
    {
        return $this->question('dial.close', [$name]) === true;
    }

    /**
     * The id of the connection that stands under a dial's name, to send to; null if none does at this moment.
     *
     * @throws CallFailed
     */
    public function dialId(string $name): ?string
    {
        $id = $this->question('dial.id', [$name]);

        return \is_string($id) ? $id : null;
    }

    /** @throws \ValueError */
    private static function milliseconds(string $parameter, float $seconds, float $least): int
    {
        if (!($seconds >= $least && $seconds < 1e12)) {
            throw new \ValueError("dial(): $parameter is a number of seconds" . ($least > 0 ? " of at least $least"
                : ' of 0 or more') . ", not $seconds");
        }

        return (int) \ceil(\round($seconds * 1000, 3));
    }
}
