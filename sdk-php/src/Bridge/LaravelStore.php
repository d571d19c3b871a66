<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Illuminate\Contracts\Cache\LockProvider;
use Illuminate\Contracts\Cache\Store as CacheStore;
use WorkerHost\Store;

/**
 * A store of the host's as one of Laravel's cache, with its locks. In a service provider's boot():
 *
 *     Cache::extend('workerhost', fn ($app, $config) => Cache::repository(
 *         new LaravelStore(Store::of($config['store'] ?? 'laravel'), Cache::getPrefix())));
 *
 * and in config/cache.php `'host' => ['driver' => 'workerhost', 'store' => 'laravel']`. Numbers are kept as
 * numbers, so that increment() is one call that loses nothing; all else as PHP serialises it.
 */
final class LaravelStore implements CacheStore, LockProvider
{
    /** @param string $prefix stands before each key */
    public function __construct(private readonly Store $store, private readonly string $prefix = '')
    {
    }

    /** What is under a key, or null. */
    public function get($key)
    {
        return self::taken($this->store->get($this->prefix . $key));
    }

    /** What is under several keys, by key; null where nothing is. */
    public function many(array $keys)
    {
        $all = [];
        $found = $this->store->getMany(\array_map(fn ($key) => $this->prefix . $key, $keys));
        foreach ($keys as $key) {
            $all[$key] = self::taken($found[$this->prefix . $key]);
        }

        return $all;
    }

    /** Puts a value under a key for so many seconds, 0 for ever. */
    public function put($key, $value, $seconds)
    {
        $this->store->set($this->prefix . $key, self::kept($value), $seconds);

        return true;
    }

    /** Puts several values under their keys, one after the other. */
    public function putMany(array $values, $seconds)
    {
        $all = [];
        foreach ($values as $key => $value) {
            $all[$this->prefix . $key] = self::kept($value);
        }
        $this->store->setMany($all, $seconds);

        return true;
    }

    /** Puts a value under a key if nothing is there; whether it did. */
    public function add($key, $value, $seconds)
    {
        return $this->store->add($this->prefix . $key, self::kept($value), $seconds);
    }

    /** Adds to the number under a key, which begins at 0, and gives the sum. */
    public function increment($key, $value = 1)
    {
        return $this->store->increment($this->prefix . $key, (int) $value, 0);
    }

    /** The same, subtracted. */
    public function decrement($key, $value = 1)
    {
        return $this->increment($key, -$value);
    }

    /** Puts a value under a key for ever. */
    public function forever($key, $value)
    {
        return $this->put($key, $value, 0);
    }

    /** Removes a key; whether it was there. */
    public function forget($key)
    {
        return $this->store->delete($this->prefix . $key) > 0;
    }

    /** Removes all keys of the store, those with another prefix too. */
    public function flush()
    {
        $this->store->clear();

        return true;
    }

    /** What stands before each key. */
    public function getPrefix()
    {
        return $this->prefix;
    }

    /** A lock of that name for so many seconds, 0 for a day; nobody has it before its get() or block(). */
    public function lock($name, $seconds = 0, $owner = null)
    {
        return new LaravelLock($this->store, $this->prefix . $name, $seconds, $owner);
    }

    /** The lock that an owner has. */
    public function restoreLock($name, $owner)
    {
        return $this->lock($name, 0, $owner);
    }

    private static function kept(mixed $value): string|int
    {
        return \is_int($value) ? $value : \serialize($value);
    }

    private static function taken(mixed $value): mixed
    {
        return \is_string($value) ? \unserialize($value) : $value;
    }
}
