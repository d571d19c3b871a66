<?php

declare(strict_types=1);

namespace GatewayWorker\Lib;

use WorkerHost\Compat\Business;
use WorkerHost\Compat\Program;
use WorkerHost\Compat\State;
use WorkerHost\Connection;
use WorkerHost\Connections;

/**
 * All clients of the program's Gateways, from any of its processes. What an event sends and does takes effect when it
 * returns; what is asked tells what is in effect by then.
 */
class Gateway
{
    /** Of no effect, as are the others: there is nobody to be found, and no way to them. @var string|list<string> */
    public static string|array $registerAddress = '127.0.0.1:1236';
    public static string $secretKey = '';
    public static int $connectTimeout = 3;
    public static bool $persistentConnection = true;
    public static bool $addressesCacheDisable = false;

    private static ?Connection $client = null;

    /** @internal an event of this client begins */
    public static function enter(Connection $client, Connections $connections): void
    {
        self::$client = $client;
        Context::$client_id = $client->id;
        [Context::$client_ip, Context::$client_port] = Business::split($client->remoteAddress);
        [Context::$local_ip, Context::$local_port] = Business::split($client->listener);
    }

    /** @internal it is over */
    public static function leave(): void
    {
        self::$client = null;
        Context::clear();
    }

    /**
     * @param list<string>|null        $client_id_array whom to send to; null: all
     * @param list<string>|string|null $exclude_client_id
     */
    public static function sendToAll(string $message, ?array $client_id_array = null,
        array|string|null $exclude_client_id = null, bool $raw = false): void
    {
        self::refuse($raw);
        $except = self::list($exclude_client_id);
        if ($client_id_array !== null) {
            self::all()->send(self::list($client_id_array), $message, $except);
        } else {
            self::all()->sendToGroup(Business::CLIENTS, $message, $except);
        }
    }

    public static function sendToClient(string $client_id, string $message, bool $raw = false): bool
    {
        self::refuse($raw);
        self::all()->send($client_id, $message);

        return true;
    }

    public static function sendToCurrentClient(string $message, bool $raw = false): bool
    {
        return self::sendToClient(self::current('sendToCurrentClient')->id, $message, $raw);
    }

    /** @param string|int|list<string|int> $uid */
    public static function sendToUid(string|int|array $uid, string $message, bool $raw = false): void
    {
        self::refuse($raw);
        self::all()->sendToUid($uid, $message);
    }

    /**
     * @param string|int|list<string|int> $group
     * @param list<string>|string|null    $exclude_client_id
     *
     * @return bool false where no group is named
     */
    public static function sendToGroup(string|int|array $group, string $message,
        array|string|null $exclude_client_id = null, bool $raw = false): bool
    {
        self::refuse($raw);
        if ($group === '' || $group === []) {
            return false;
        }
        self::all()->sendToGroup(self::list($group), $message, self::list($exclude_client_id));

        return true;
    }

    public static function closeClient(string $client_id, ?string $message = null): bool
    {
        if ($message !== null) {
            self::all()->send($client_id, $message);
        }
        self::all()->close($client_id);

        return true;
    }

    public static function closeCurrentClient(?string $message = null): bool
    {
        return self::closeClient(self::current('closeCurrentClient')->id, $message);
    }

    public static function destoryClient(string $client_id): bool
    {
        return self::closeClient($client_id);
    }

    public static function destoryCurrentClient(): bool
    {
        return self::closeCurrentClient();
    }

    public static function isOnline(string $client_id): int
    {
        return self::all()->connection($client_id) === null ? 0 : 1;
    }

    public static function isUidOnline(string|int $uid): int
    {
        return self::all()->isOnline($uid) ? 1 : 0;
    }

    public static function bindUid(string $client_id, string|int $uid): void
    {
        self::all()->bindUid($client_id, $uid);
    }

    /** Whichever uid it has. */
    public static function unbindUid(string $client_id, string|int $uid): void
    {
        self::all()->bindUid($client_id, '');
    }

    /** @return list<string> */
    public static function getClientIdByUid(string|int $uid): array
    {
        return self::all()->idsOf($uid);
    }

    public static function getUidByClientId(string $client_id): ?string
    {
        $uid = self::all()->connection($client_id)?->uid;

        return $uid === '' ? null : $uid;
    }

    /** @return array<string, string> uid => uid */
    public static function getAllUidList(): array
    {
        return self::uids(Business::CLIENTS);
    }

    /**
     * @param string|int|list<string|int> $group of several: those who are in one of them
     *
     * @return array<string, string>
     */
    public static function getUidListByGroup(string|int|array $group): array
    {
        return \array_replace([], ...\array_map(self::uids(...), self::list($group)));
    }

    public static function getAllUidCount(): int
    {
        return \count(self::getAllUidList());
    }

    /** @param string|int|list<string|int> $group */
    public static function getUidCountByGroup(string|int|array $group): int
    {
        return \count(self::getUidListByGroup($group));
    }

    public static function joinGroup(string $client_id, string|int $group): void
    {
        self::all()->join($client_id, (string) $group);
    }

    public static function leaveGroup(string $client_id, string|int $group): void
    {
        self::all()->leave($client_id, (string) $group);
    }

    /** Takes all out of the group who are in it now. It says false where none is named. */
    public static function ungroup(string|int $group): bool
    {
        if ($group === '') {
            return false;
        }
        foreach (self::all()->ids((string) $group) as $id) {
            self::all()->leave($id, (string) $group);
        }

        return true;
    }

    /** @return array<string, string> */
    public static function getAllGroupIdList(): array
    {
        return self::same(self::list(\array_keys(self::getAllGroupClientIdList())));
    }

    public static function getAllClientIdCount(): int
    {
        return self::all()->count(Business::CLIENTS);
    }

    public static function getAllClientCount(): int
    {
        return self::getAllClientIdCount();
    }

    /** @param string|int $group '' for all clients */
    public static function getClientIdCountByGroup(string|int $group = ''): int
    {
        return self::all()->count($group === '' ? Business::CLIENTS : (string) $group);
    }

    public static function getClientCountByGroup(string|int $group = ''): int
    {
        return self::getClientIdCountByGroup($group);
    }

    /** @return array<string, string> id => id */
    public static function getAllClientIdList(): array
    {
        return self::same(self::all()->ids(Business::CLIENTS));
    }

    /**
     * @param string|int|list<string|int> $group of several: those who are in one of them
     *
     * @return array<string, string>
     */
    public static function getClientIdListByGroup(string|int|array $group): array
    {
        return \array_replace([], ...\array_map(
            static fn (string $group): array => self::same(self::all()->ids($group)), self::list($group)));
    }

    /**
     * Of the client whose event is at hand it is $_SESSION as it is now.
     *
     * @return array<string, array<mixed>> $_SESSION by client
     */
    public static function getAllClientSessions(string|int $group = ''): array
    {
        return \array_map(static fn (Connection $client): array => $client->id === self::$client?->id
            ? $_SESSION ?? [] : State::shared($client->session),
            $group === '' ? self::clients() : self::all()->all((string) $group));
    }

    /** @return array<string, array<mixed>> of '' none */
    public static function getClientSessionsByGroup(string|int $group): array
    {
        return $group === '' ? [] : self::getAllClientSessions($group);
    }

    /** @return array<string, array<mixed>> as getAllClientSessions(), by its old name */
    public static function getAllClientInfo(string|int $group = ''): array
    {
        return self::getAllClientSessions($group);
    }

    /** @return array<string, array<mixed>> as getClientSessionsByGroup(), by its old name */
    public static function getClientInfoByGroup(string|int $group): array
    {
        return self::getClientSessionsByGroup($group);
    }

    /** @return array<string, array<string, string>> by group: id => id */
    public static function getAllGroupClientIdList(): array
    {
        return self::byGroup(static fn (Connection $client): string => $client->id);
    }

    /** @return array<string, int> by group */
    public static function getAllGroupClientIdCount(): array
    {
        return \array_map('count', self::getAllGroupClientIdList());
    }

    /** @return array<string, array<string, string>> by group: uid => uid */
    public static function getAllGroupUidList(): array
    {
        return self::byGroup(static fn (Connection $client): string => $client->uid);
    }

    /** @return array<string, int> by group */
    public static function getAllGroupUidCount(): array
    {
        return \array_map('count', self::getAllGroupUidList());
    }

    /**
     * @param \Closure(Connection): string $name
     *
     * @return array<string, array<string, string>>
     */
    private static function byGroup(\Closure $name): array
    {
        $all = [];
        foreach (self::clients() as $client) {
            foreach ($name($client) === '' ? [] : $client->groups as $group) {
                if ($group !== Business::CLIENTS) {
                    $all[$group][$name($client)] = $name($client);
                }
            }
        }

        return $all;
    }

    /** @return array<mixed>|null null if there is no such client */
    public static function getSession(string $client_id): ?array
    {
        $session = self::all()->session($client_id);

        return $session === null ? null : State::shared($session);
    }

    /** @param array<mixed> $session in place of all of it */
    public static function setSession(string $client_id, array $session): bool
    {
        return self::change($client_id, static fn (): array => $session);
    }

    /** As setSession(), of what Context::sessionEncode() has made. */
    public static function setSocketSession(string $client_id, string $session_str): bool
    {
        return self::setSession($client_id, Context::sessionDecode($session_str));
    }

    /** @param array<mixed> $session over what there is */
    public static function updateSession(string $client_id, array $session): bool
    {
        return self::change($client_id, static fn (array $now): array => \array_replace_recursive($now, $session));
    }

    /** @param \Closure(array<mixed>): array<mixed> $change */
    private static function change(string $id, \Closure $change): bool
    {
        if (self::$client?->id === $id) {
            $_SESSION = $change($_SESSION ?? []); // is kept when the event is over

            return true;
        }

        return self::all()->updateSession($id, static function (array $session) use ($change): array {
            $shared = $change(State::shared($session));
            State::check($shared, 'the session');

            return State::share($session, $shared);
        }) !== null;
    }

    private static function all(): Connections
    {
        return Program::connections();
    }

    /** @return array<string, Connection> */
    private static function clients(): array
    {
        return self::all()->all(Business::CLIENTS);
    }

    /** @return array<string, string> */
    private static function uids(string $group): array
    {
        return self::same(self::all()->uids($group));
    }

    /** @param list<string> $list @return array<string, string> */
    private static function same(array $list): array
    {
        return \array_combine($list, $list);
    }

    /** @return list<string> */
    private static function list(mixed $names): array
    {
        return \array_values(\array_map('strval', (array) $names));
    }

    private static function current(string $method): Connection
    {
        return self::$client ?? throw new \Error("Gateway::$method() is for an event of a client, such as onMessage");
    }

    private static function refuse(bool $raw): void
    {
        if ($raw) {
            throw new \Error('Gateway: $raw = true is not there under this host, which writes frames itself');
        }
    }

    /** Of no effect: each process of the host is one that runs events. */
    public static function setBusinessWorker(mixed $business_worker_instance): void
    {
    }

    /** @param list<mixed> $arguments */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw new \Error("GatewayWorker\\Lib\\Gateway::$name() is not there under this host");
    }
}
