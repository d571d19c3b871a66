<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Psr\SimpleCache\CacheInterface;
use Psr\SimpleCache\InvalidArgumentException;
use WorkerHost\Store;

/**
 * A store of the host's as a cache of PSR-16, for libraries that take one; PSR-6 and Symfony's caches come of it
 * by Symfony\Component\Cache\Adapter\Psr16Adapter. Values are kept as PHP serialises them, so whatever that takes
 * can be one; who may write to the store may have what reads it make objects. Keys are those of PSR-16: none of
 * `{}()/\@:`. Versions 1 to 3 of PSR-16's interfaces will do.
 *
 *     $cache = new SimpleCache(Store::of('cache'));
 *
 * What the host refuses is thrown as CallFailed: a cache that is away is no cache without values.
 */
final class SimpleCache implements CacheInterface
{
    /** The store is the cache's alone: clear() empties it. */
    public function __construct(private readonly Store $store)
    {
    }

    /** What is under a key, or the default. */
    public function get($key, $default = null): mixed
    {
        $found = $this->store->get(self::key($key));

        return $found === null ? $default : \unserialize($found);
    }

    /** Puts a value under a key; a time to live in seconds, null for the store's own, 0 or less removes it. */
    public function set($key, $value, $ttl = null): bool
    {
        return $this->setMultiple([$key => $value], $ttl);
    }

    /** Removes a key; true, whether it was there or not. */
    public function delete($key): bool
    {
        $this->store->delete(self::key($key));

        return true;
    }

    /** Removes all keys of the store. */
    public function clear(): bool
    {
        $this->store->clear();

        return true;
    }

    /** What is under several keys, by key; those that have nothing have the default. */
    public function getMultiple($keys, $default = null): iterable
    {
        $all = [];
        foreach ($this->store->getMany(self::keys($keys)) as $key => $found) {
            $all[$key] = $found === null ? $default : \unserialize($found);
        }

        return $all;
    }

    /** Puts several values under their keys, one after the other. */
    public function setMultiple($values, $ttl = null): bool
    {
        $all = [];
        foreach ($values as $key => $value) {
            $all[self::key($key)] = \serialize($value);
        }
        if ($ttl instanceof \DateInterval) {
            $ttl = (new \DateTimeImmutable('@0'))->add($ttl)->getTimestamp();
        }
        if ($ttl !== null && $ttl <= 0) {
            return $this->deleteMultiple(\array_keys($all));
        }
        $this->store->setMany($all, $ttl);

        return true;
    }

    /** Removes several keys. */
    public function deleteMultiple($keys): bool
    {
        $this->store->delete(...self::keys($keys));

        return true;
    }

    /** Whether there is something under a key, if only null. */
    public function has($key): bool
    {
        return $this->store->has(self::key($key));
    }

    private static function key(mixed $key): string
    {
        $key = \is_scalar($key) ? (string) $key : '';
        if ($key === '' || \strpbrk($key, '{}()/\\@:') !== false) {
            throw new class("\"$key\" is no key of PSR-16: it is empty, or has one of {}()/\\@:")
                extends \InvalidArgumentException implements InvalidArgumentException {
            };
        }

        return $key;
    }

    /** @return list<string> */
    private static function keys(iterable $keys): array
    {
        $all = [];
        foreach ($keys as $key) {
            $all[] = self::key($key);
        }

        return $all;
    }
}
