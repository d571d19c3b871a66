<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Http\ServerSentEvent;
use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Dials;
use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Upgrade;

/**
 * All connections of the host, those of other pools of the realm included, from any handler, timer or onStop():
 * Worker::connections().
 *
 * In a handler, an HTTP request's too, what is sent and done takes effect when it returns, all together, and not at
 * all if it throws; with `now: true` at once. In a timer it takes effect at once. What is asked (count() and so on)
 * tells what is in effect: not what this handler has yet to do, nor what it did for a message of the same client that
 * has come together with this one. Who is not there is left out, without an error. Connections with other servers are
 * asked for with dial().
 */
final class Connections
{
    use Dials;

    /** After how many attempts updateSession() gives up. */
    private const ATTEMPTS = 1000;

    /** @internal */
    public function __construct(private readonly Acts $acts, private readonly int $timeout = 0)
    {
    }

    /**
     * The same connections, whose questions (count() and so on) wait for the host no longer than that: then they throw
     * CallFailed with the code DEADLINE_EXCEEDED.
     *
     * @param float $seconds above 0
     *
     * @throws \ValueError
     */
    public function withTimeout(float $seconds): self
    {
        if (!($seconds > 0 && $seconds < 1e15)) {
            throw new \ValueError("A timeout is a number of seconds above 0, not $seconds");
        }

        return new self($this->acts, (int) \ceil($seconds * 1000));
    }

    /**
     * Sends a message to one connection, or to each of a list.
     *
     * @param string|list<string> $ids
     * @param string|list<string> $except ids that are left out
     * @param bool                $binary see Connection::send()
     * @param bool                $now    at once, even if the handler fails later
     *
     * @throws \LengthException if more than 64 MiB wait for the handler to return, or a list is longer than a frame
     *     may be
     */
    public function send(string|array $ids, string|ServerSentEvent $data, string|array $except = [],
        bool $binary = false, bool $now = false): void
    {
        $this->deliver(Frame::TO_CONNECTIONS, $ids, $data, $except, $binary, $now);
    }

    /**
     * Sends a message to all connections of a user, or of each of a list of users.
     *
     * @param string|int|list<string|int> $uids
     * @param string|list<string>         $except ids of connections that are left out
     *
     * @throws \LengthException as send()
     */
    public function sendToUid(string|int|array $uids, string|ServerSentEvent $data, string|array $except = [],
        bool $binary = false, bool $now = false): void
    {
        $this->deliver(Frame::TO_USERS, $uids, $data, $except, $binary, $now);
    }

    /**
     * Sends a message to all connections in a group, or in any of a list of groups: once to each.
     *
     * @param string|list<string> $groups
     * @param string|list<string> $except ids of connections that are left out
     *
     * @throws \LengthException as send()
     */
    public function sendToGroup(string|array $groups, string|ServerSentEvent $data, string|array $except = [],
        bool $binary = false, bool $now = false): void
    {
        $this->deliver(Frame::TO_GROUPS, $groups, $data, $except, $binary, $now);
    }

    /**
     * Sends a message to all connections.
     *
     * @param string|list<string> $except ids of connections that are left out
     *
     * @throws \LengthException as send()
     */
    public function sendToAll(string|ServerSentEvent $data, string|array $except = [], bool $binary = false,
        bool $now = false): void
    {
        $this->deliver(Frame::TO_ALL, null, $data, $except, $binary, $now);
    }

    /**
     * Closes one connection, or each of a list, after what was sent to it. Code and reason are those of
     * Connection::close().
     *
     * @param string|list<string> $ids
     *
     * @throws \ValueError
     */
    public function close(string|array $ids, int $code = 1000, string $reason = '', bool $now = false): void
    {
        $this->hangUp(Frame::TO_CONNECTIONS, $ids, $code, $reason, [], $now);
    }

    /**
     * Closes all connections of a user, or of each of a list of users.
     *
     * @param string|int|list<string|int> $uids
     * @param string|list<string>         $except ids of connections that stay
     *
     * @throws \ValueError
     */
    public function closeUid(string|int|array $uids, int $code = 1000, string $reason = '', string|array $except = [],
        bool $now = false): void
    {
        $this->hangUp(Frame::TO_USERS, $uids, $code, $reason, $except, $now);
    }

    /**
     * Closes all connections in a group, or in any of a list of groups.
     *
     * @param string|list<string> $groups
     * @param string|list<string> $except ids of connections that stay
     *
     * @throws \ValueError
     */
    public function closeGroup(string|array $groups, int $code = 1000, string $reason = '', string|array $except = [],
        bool $now = false): void
    {
        $this->hangUp(Frame::TO_GROUPS, $groups, $code, $reason, $except, $now);
    }

    /** Puts a connection into groups. */
    public function join(string $id, string ...$groups): void
    {
        $this->acts->current()->act([Frame::JOIN, 0, 0, self::id($id), \array_values($groups)]);
    }

    /**
     * Puts a connection into groups whose history it is to have: see Connection::subscribe().
     *
     * @param string|list<string> $groups
     */
    public function subscribe(string $id, string|array $groups, string $since = ''): void
    {
        $this->acts->current()->act([Frame::JOIN, 0, 0, self::id($id), \array_values((array) $groups), $since]);
    }

    /** Takes a connection out of groups. */
    public function leave(string $id, string ...$groups): void
    {
        $this->acts->current()->act([Frame::LEAVE, 0, 0, self::id($id), \array_values($groups)]);
    }

    /** Binds a connection to a user id in place of the one that it had; '' unbinds. */
    public function bindUid(string $id, string|int $uid): void
    {
        $this->acts->current()->act([Frame::BIND, 0, 0, self::id($id), (string) $uid]);
    }

    /**
     * How many connections there are, or are in the group.
     *
     * @throws CallFailed
     */
    public function count(?string $group = null): int
    {
        return (int) $this->ask('count', $group);
    }

    /**
     * The ids of all connections, or of those in the group.
     *
     * @return list<string>
     *
     * @throws CallFailed
     */
    public function ids(?string $group = null): array
    {
        return (array) $this->ask('ids', $group);
    }

    /**
     * The user ids that connections are bound to, or those in the group: each once.
     *
     * @return list<string>
     *
     * @throws CallFailed
     */
    public function uids(?string $group = null): array
    {
        return (array) $this->ask('uids', $group);
    }

    /**
     * The users that are in a group with presence (SPEC.md §19.4), those included that have just left and may be back
     * in a moment.
     *
     * @return list<string>
     *
     * @throws CallFailed  also where no [channel] of host.toml gives the group presence
     */
    public function members(string $group): array
    {
        return (array) $this->question('presence.members', [$group]);
    }

    /**
     * The ids of the connections that are bound to the user id.
     *
     * @return list<string>
     *
     * @throws CallFailed
     */
    public function idsOf(string|int $uid): array
    {
        return (array) $this->question('user', [(string) $uid]);
    }

    /**
     * The groups whose names begin with the prefix, and how many connections are in each. A group that nobody is in
     * does not exist. PHP makes an int of a key that looks like one: cast it before you use it as a name.
     *
     * @return array<array-key, int> by name
     *
     * @throws CallFailed
     */
    public function groups(string $prefix = ''): array
    {
        $groups = [];
        foreach (\array_chunk((array) $this->ask('groups', $prefix === '' ? null : $prefix), 2) as $pair) {
            $groups[(string) $pair[0]] = (int) ($pair[1] ?? 0);
        }

        return $groups;
    }

    /**
     * Whether a connection is bound to the user id.
     *
     * @throws CallFailed
     */
    public function isOnline(string|int $uid): bool
    {
        return $this->question('online', [(string) $uid]) === true;
    }

    /**
     * A connection as it is now; null if there is none. Its session is a copy: updateSession() changes it.
     *
     * @throws CallFailed
     */
    public function connection(string $id): ?Connection
    {
        $connection = $this->question('connection', [$id]);

        return \is_array($connection) ? new Connection($connection, 1, $this->acts, false) : null;
    }

    /**
     * All connections, or those in the group, as they are now, in one question. Their sessions are copies. One whose
     * session onUpgrade() fails for is logged, and left out.
     *
     * @return array<string, Connection> by id
     *
     * @throws CallFailed
     */
    public function all(?string $group = null): array
    {
        $all = [];
        foreach ((array) $this->ask('connections', $group) as $connection) {
            try {
                $all[$connection[0]] = new Connection($connection, 1, $this->acts, false);
            } catch (LinkError $e) {
                throw $e;
            } catch (\Throwable $e) {
                Log::error('onUpgrade: ' . Failure::summary($e), ['connection' => $connection[0],
                    'trace' => (string) $e]);
            }
        }

        return $all;
    }

    /**
     * A connection's session as it is now; null if there is no such connection.
     *
     * @return array<array-key, mixed>|null
     *
     * @throws CallFailed
     */
    public function session(string $id): ?array
    {
        $found = $this->versioned($id);

        return $found === null ? null : Upgrade::apply($found[1], $found[2]);
    }

    /**
     * Changes a connection's session, at once and safely: should somebody else have changed it meanwhile, the function
     * is called anew with what it has become.
     *
     * In the connection's own event this is not seen in its $session.
     *
     * @param callable(array<array-key, mixed>): array<array-key, mixed> $change takes the session and returns it as it
     *     is to be; may run several times
     *
     * @return array<array-key, mixed>|null the session as it is now; null if there is no such connection
     *
     * @throws CallFailed if the host refuses it (it is too large, say), or it is changed all the time by others
     * @throws \TypeError if it holds what can't be kept in a session
     */
    public function updateSession(string $id, callable $change): ?array
    {
        for ($i = 0; $i < self::ATTEMPTS; ++$i) {
            $found = $this->versioned($id);
            if ($found === null) {
                return null;
            }
            [$version, $before, $from] = $found;
            $after = $change(Upgrade::apply($before, $from));
            if (!\is_array($after)) {
                throw new \TypeError('The function given to updateSession() returned ' . \get_debug_type($after)
                    . '; it has to return the session, an array');
            }
            [$set, $unset] = Entries::changes($before, $after);
            if ($set === [] && $unset === [] || $this->acts->current()->call(Frame::SWAP, $id, $version,
                Upgrade::stamp($set, $from), $unset) === true) {
                return $after;
            }
        }
        throw new CallFailed("the session of connection $id was changed by others " . self::ATTEMPTS
            . ' times while updateSession() tried to');
    }

    /** @return array{int, array<array-key, mixed>, int}|null with the version that the application gave it */
    private function versioned(string $id): ?array
    {
        $found = $this->question('session', [$id]);
        if ($found === null) {
            return null;
        }
        if (!\is_int($found[0] ?? null) || !\is_array($found[1] ?? null)) {
            throw new CallFailed('the host answered with no session');
        }

        $session = Entries::session($found[1]);
        $from = Upgrade::take($session);

        return [$found[0], $session, $from];
    }

    private function ask(string $method, ?string $group): mixed
    {
        return $this->question($method, $group === null ? [] : [$group]);
    }

    /** @param list<mixed> $arguments */
    private function question(string $method, array $arguments): mixed
    {
        return $this->timeout > 0
            ? $this->acts->current()->call(Frame::CALL, $method, $arguments, $this->timeout)
            : $this->acts->current()->call(Frame::CALL, $method, $arguments);
    }

    /**
     * @param string|int|list<string|int>|null $names null: all
     * @param string|list<string>              $except
     */
    private function deliver(int $to, string|int|array|null $names, string|ServerSentEvent $data, string|array $except,
        bool $binary, bool $now): void
    {
        $names = $names === null ? [] : self::names($names);
        if ($names !== [] || $to === Frame::TO_ALL) {
            $this->acts->current()->send($to, $names, (string) $data, self::names($except),
                $binary || $data instanceof ServerSentEvent, $now);
        }
    }

    /**
     * @param string|int|list<string|int> $names
     * @param string|list<string>         $except
     */
    private function hangUp(int $to, string|int|array $names, int $code, string $reason, string|array $except,
        bool $now): void
    {
        self::checkClose($code, $reason);
        $names = self::names($names);
        if ($names !== []) {
            $this->acts->current()->act(
                [Frame::HANGUP, 0, 0, $to, $names, $code, $reason, self::names($except)], $now);
        }
    }

    /**
     * @param string|int|list<string|int> $names
     *
     * @return list<string>
     */
    private static function names(string|int|array $names): array
    {
        if (!\is_array($names)) {
            return [(string) $names];
        }
        $list = [];
        foreach ($names as $name) {
            if (!\is_string($name) && !\is_int($name)) {
                throw new \TypeError('Ids, user ids and groups are strings; this one is ' . \get_debug_type($name));
            }
            $list[] = (string) $name;
        }

        return $list;
    }

    /** On the wire an empty id is the event's own connection. */
    private static function id(string $id): string
    {
        return $id !== '' ? $id : throw new \ValueError("A connection's id is not empty; a datagram has none");
    }

    /** @internal @throws \ValueError for what no close frame may carry (RFC 6455 §7.4) */
    public static function checkClose(int $code, string $reason): void
    {
        if (!($code === 1000 || $code === 1001 || $code === 1003 || $code >= 1007 && $code <= 1014
            || $code >= 3000 && $code <= 4999)) {
            throw new \ValueError("A connection is closed with 1000, 1001, 1003, 1007 to 1014, or a code of your own "
                . "from 3000 to 4999; not with $code");
        }
        if (\strlen($reason) > 123 || \preg_match('//u', $reason) !== 1) {
            throw new \ValueError('The reason for closing a connection is at most 123 bytes of UTF-8');
        }
    }
}
