<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Http\ServerSentEvent;
use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Headers;
use WorkerHost\Internal\Upgrade;

/**
 * A client's connection, as it was when its event came: a WebSocket, a TCP connection, a held response; or one that
 * the host has made, with another server (Connections::dial()). The host keeps it; any worker gets its next event.
 *
 * What a handler sends, joins, sets and closes takes effect when it returns, all together; if it throws, none of it
 * does. Only what is sent with `now: true` goes at once.
 *
 * @property-read string       $uid    the user id that it is bound to, '' for none; as this handler has left it
 * @property-read list<string> $groups the groups that it is in; as this handler has left them
 */
final class Connection
{
    /**
     * Unique among all connections of the host; '' for a datagram (UDP), which can be answered while it is handled,
     * and no more.
     */
    public readonly string $id;
    /**
     * `websocket`, `tcp`, `udp`, `sse` (a held text/event-stream, or one that the host has dialed) or `poll` (any
     * other held response).
     */
    public readonly string $protocol;
    /** The other end's `ip:port` or `[ip]:port`; empty on a unix socket. */
    public readonly string $remoteAddress;
    /** The address that its listener was configured with; `dial` where the host has dialed. */
    public readonly string $listener;
    /** The name of the dial that it is a connection of; '' for a client's. */
    public readonly string $dial;
    /** How many connections of that dial there were before this one; 0 for a client's. */
    public readonly int $reconnects;
    /** What the other end of a WebSocket that the host has dialed has chosen; '' is none, as for a client's. */
    public readonly string $subprotocol;
    /**
     * The event's span, if the host traces, as the headers of W3C Trace Context have it, for an application's own
     * tracing to go on below it; '' without.
     */
    public readonly string $traceparent;
    /** What other tracing systems pass on beside; '' is nothing. */
    public readonly string $tracestate;
    /** 2 when another worker died with this event, or may have begun it: one that was slow with what it had before. */
    public readonly int $attempt;
    /**
     * What the host keeps for the connection: strings, numbers, true, false, null, and arrays of them. Keys that a
     * handler changes are kept when it returns; of two handlers that change one key at a time, which only
     * updateSession() of another connection makes possible, the last wins. Outside of the connection's own events it
     * is a copy, see Connections::updateSession().
     *
     * @var array<array-key, mixed>
     */
    public array $session;

    private string $uid;
    /** @var list<string> */
    private array $groups;
    /** @var array<array-key, mixed> the session as it came */
    private readonly array $before;
    /** The version that it came with. */
    private readonly int $version;
    /**
     * @var array{array<array-key, mixed>, string, list<string>} session, uid and groups as the last handler that did
     *     not throw left them
     */
    private array $settled;
    /** @var list<string>|null the headers of the upgrade request, while it is to be answered */
    private ?array $upgrade = null;

    /**
     * @internal
     *
     * @param list<mixed> $connection SPEC.md §9.3
     * @param bool        $own        whether this is the connection whose event is at hand
     *
     * @throws \Throwable what onUpgrade() throws
     */
    public function __construct(array $connection, int $attempt, private Acts $acts, private bool $own)
    {
        $this->id = $connection[0];
        $this->protocol = $connection[1];
        $this->remoteAddress = $connection[2];
        $this->uid = $connection[3] ?? '';
        $this->groups = $connection[4] ?? [];
        $session = ($connection[5] ?? []) === [] ? [] : Entries::session($connection[5]);
        $this->version = $session === [] ? 0 : Upgrade::take($session);
        $this->before = $session;
        $this->session = Upgrade::apply($session, $this->version);
        $this->listener = $connection[6] ?? '';
        $this->dial = $connection[8][0] ?? '';
        $this->reconnects = $connection[8][1] ?? 0;
        $this->subprotocol = $connection[8][2] ?? '';
        $this->traceparent = $connection[7][1] ?? '';
        $this->tracestate = $connection[7][3] ?? '';
        $this->attempt = $attempt;
        $this->settled = [$this->session, $this->uid, $this->groups];
    }

    /** Reads uid and groups. Any other name is an \Error. */
    public function __get(string $name): mixed
    {
        return match ($name) {
            'uid' => $this->uid,
            'groups' => $this->groups,
            default => throw new \Error("A connection has no \$$name"),
        };
    }

    /** Whether there is such a property to read. */
    public function __isset(string $name): bool
    {
        return $name === 'uid' || $name === 'groups';
    }

    /** Throws an \Error that names the method to use instead. */
    public function __set(string $name, mixed $value): void
    {
        throw new \Error(match ($name) {
            'uid' => 'A connection is bound to a user with bindUid()',
            'groups' => 'A connection is put into groups with join(), and out of them with leave()',
            default => "A connection has no \$$name; what is to be kept goes into \$session",
        });
    }

    /**
     * Sends a message.
     *
     * @param bool $binary for a WebSocket: bytes, otherwise it is UTF-8 text. For a held text/event-stream: as it is,
     *     otherwise `data:` lines are made of it
     * @param bool $now    at once, even if the handler fails later, and ahead of what waits for it to return
     *
     * @throws \ValueError      for text to a WebSocket that is no UTF-8
     * @throws \LengthException if more than 64 MiB wait for the handler to return
     */
    public function send(string|ServerSentEvent $data, bool $binary = false, bool $now = false): void
    {
        if ($data instanceof ServerSentEvent) {
            $binary = true;
        } elseif (!$binary && $this->protocol === 'websocket' && \preg_match('//u', $data) !== 1) {
            throw new \ValueError(
                'The text of a WebSocket message is UTF-8, and this is not; bytes are sent with binary: true');
        }
        [$to, $names] = $this->self();
        $this->acts->current()->send($to, $names, (string) $data, [], $binary, $now);
    }

    /**
     * Closes the connection, after what was sent to it. Its onClose() follows.
     *
     * @param int    $code   1000, 1001, 1003, 1007 to 1014, or 3000 to 4999, as in RFC 6455; a client that is no
     *     WebSocket does not see it
     * @param string $reason at most 123 bytes of UTF-8
     *
     * @throws \ValueError
     */
    public function close(int $code = 1000, string $reason = '', bool $now = false): void
    {
        Connections::checkClose($code, $reason);
        [$to, $names] = $this->self();
        $this->acts->current()->act([Frame::HANGUP, 0, 0, $to, $names, $code, $reason], $now);
    }

    /** Puts the connection into groups. There is no need to create one. */
    public function join(string ...$groups): void
    {
        $groups = \array_values($groups);
        $this->acts->current()->act([Frame::JOIN, 0, 0, $this->named(), $groups]);
        $this->groups = \array_values(\array_unique([...$this->groups, ...$groups]));
    }

    /**
     * Puts a WebSocket into groups whose history it is to have: its client speaks the protocol of `host help
     * channels`. It gets first what it missed of them since a position that it had, or is told that this is not known
     * any more; from now on all that is sent to it comes in an envelope of JSON. Server-sent events need none of it.
     *
     * @param string|list<string> $groups
     * @param string              $since  the position that the client says; '' is now
     */
    public function subscribe(string|array $groups, string $since = ''): void
    {
        $groups = \array_values((array) $groups);
        $this->acts->current()->act([Frame::JOIN, 0, 0, $this->named(), $groups, $since]);
        $this->groups = \array_values(\array_unique([...$this->groups, ...$groups]));
    }

    /** Takes the connection out of groups. */
    public function leave(string ...$groups): void
    {
        $groups = \array_values($groups);
        $this->acts->current()->act([Frame::LEAVE, 0, 0, $this->named(), $groups]);
        $this->groups = \array_values(\array_diff($this->groups, $groups));
    }

    /**
     * Binds the connection to a user id in place of the one that it had; '' unbinds. A user may have any number of
     * connections.
     */
    public function bindUid(string|int $uid): void
    {
        $this->acts->current()->act([Frame::BIND, 0, 0, $this->named(), (string) $uid]);
        $this->uid = (string) $uid;
    }

    /**
     * In onOpen() of a WebSocket: what the answer to its request says. Without this the host chooses no subprotocol.
     *
     * @param string                             $subprotocol one that the client offered, or '' for none
     * @param array<string, string|list<string>> $headers     to be added, Set-Cookie for example
     *
     * @throws \ValueError if the client did not offer the subprotocol, or HTTP does not allow a header
     */
    public function accept(string $subprotocol = '', array $headers = []): void
    {
        if ($this->upgrade === null) {
            throw new \Error('accept() is for onOpen() of a WebSocket: there is no request to answer');
        }
        if ($subprotocol !== '') {
            $offered = \array_map('trim', \explode(',', \implode(',', Headers::lists($this->upgrade)[
                'sec-websocket-protocol'] ?? [])));
            if (!\in_array($subprotocol, $offered, true)) {
                throw new \ValueError("The client did not offer the subprotocol $subprotocol, but: "
                    . (\implode(', ', \array_filter($offered)) ?: 'none'));
            }
        }
        $this->acts->current()->act([Frame::ACCEPT, 0, 0, $subprotocol, Headers::pairs($headers)]);
    }

    /** @return array{int, list<string>} whom an act for this connection names (SPEC.md §10.2) */
    private function self(): array
    {
        if ($this->own) {
            return [Frame::TO_SELF, []];
        }
        if ($this->id === '') {
            throw new \Error(
                'A datagram can be answered while it is handled, and no more: it belongs to no connection');
        }

        return [Frame::TO_CONNECTIONS, [$this->id]];
    }

    private function named(): string
    {
        if ($this->id === '') {
            throw new \Error('A datagram has no groups, user or session: it belongs to no connection, and its sender '
                . 'can be forged');
        }

        return $this->own ? '' : $this->id;
    }

    /** @internal its upgrade request is to be answered. @param list<string> $headers */
    public function offer(array $headers): void
    {
        $this->upgrade = $headers;
    }

    /** @internal after a handler that returned; throws if it left what can't be kept */
    public function settle(): void
    {
        if ($this->session !== $this->settled[0]) {
            if ($this->id === '') {
                $this->named();
            }
            Entries::changes($this->settled[0], $this->session);
        }
        $this->settled = [$this->session, $this->uid, $this->groups];
    }

    /** @internal after a handler that threw */
    public function unsettle(): void
    {
        [$this->session, $this->uid, $this->groups] = $this->settled;
    }

    /**
     * @internal
     *
     * @return array{list<mixed>, list<string>}|null what is to be set and unset; null if the session is as it came
     */
    public function changes(): ?array
    {
        $old = $this->before !== [] && $this->version < Upgrade::$version;
        if ($this->settled[0] === $this->before && !$old) {
            return null;
        }
        [$set, $unset] = Entries::changes($this->before, $this->settled[0]);

        return $set === [] && $unset === [] && !$old ? null : [Upgrade::stamp($set, $this->version), $unset];
    }

    /** @internal its event is over */
    public function release(): void
    {
        $this->own = false;
        $this->upgrade = null;
        $this->acts = $this->acts->outside();
    }
}
