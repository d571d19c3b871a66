<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Frame;

/**
 * Values that the host keeps for all workers of the realm (SPEC.md §17), under a name that they share:
 * Worker::store('cache').
 *
 * Whatever is asked for is done at once, also if the handler fails later, and whoever reads next finds it. A key is a
 * string of 1 to 1024 bytes; a value is a string, a number, true, false, null or an array of them, of at most 1 MiB as
 * MessagePack. A time to live is in seconds, 0 is for ever, and null leaves it to the store: `ttl` of `[store.NAME]`,
 * without which it is for ever.
 *
 * All methods throw CallFailed: TOO_LARGE for a value; RESOURCE_EXHAUSTED where there is no room; UNAVAILABLE if the
 * engine is away and nothing was done; PERMISSION_DENIED for a change by code that is only tried; and TypeError for
 * what is no value. Each waits five seconds at most.
 */
final class Store
{
    /** After how many tries update() gives up. */
    private const ATTEMPTS = 1000;

    /** How many keys a call takes (SPEC.md §17.2). */
    private const KEYS = 1000;

    /** @internal */
    public function __construct(private readonly ?Acts $acts, public readonly string $name)
    {
    }

    /**
     * A store where no Worker is at hand, as in a framework's services. It may be made before the worker is ready, and
     * used from then on.
     */
    public static function of(string $name): self
    {
        return new self(null, $name);
    }

    /**
     * What is under a key, or the default if nothing is.
     *
     * @param bool $local reads the copy at hand: where several hosts keep copies that is faster, asks no other host,
     *     and may find what was there some milliseconds before, or before this host was cut off from the others
     */
    public function get(string $key, mixed $default = null, bool $local = false): mixed
    {
        $found = $this->call('get', $key, $local ?: null);

        return $found === null ? $default : self::value($found[0]);
    }

    /**
     * What is under a key, with its version for compareAndSet(); null if nothing is.
     *
     * @return array{mixed, int}|null
     */
    public function getVersioned(string $key): ?array
    {
        $found = $this->call('get', $key);

        return $found === null ? null : [self::value($found[0]), $found[1]];
    }

    /** Whether there is something under a key, if only null. */
    public function has(string $key): bool
    {
        return $this->call('get', $key) !== null;
    }

    /** Puts a value under a key, whatever was there, and gives its version. */
    public function set(string $key, mixed $value, ?float $ttl = null): int
    {
        return $this->call('set', $key, self::checked($value), self::milliseconds($ttl));
    }

    /** Puts a value under a key if nothing is there; whether it did. */
    public function add(string $key, mixed $value, ?float $ttl = null): bool
    {
        return $this->call('add', $key, self::checked($value), self::milliseconds($ttl)) !== null;
    }

    /**
     * Puts a value under a key if what is there has this version still, 0 for nothing; whether it did.
     *
     * @param int $version of getVersioned(), set(), or 0
     */
    public function compareAndSet(string $key, int $version, mixed $value, ?float $ttl = null): bool
    {
        return $this->call('cas', $key, $version, self::checked($value), self::milliseconds($ttl)) !== null;
    }

    /**
     * Changes what is under a key, safely: should another one have changed it meanwhile, the function is called anew
     * with what it has become.
     *
     * @param callable(mixed): mixed $change gets the value, null for nothing, and returns the one that is to be; may
     *     run several times
     *
     * @return mixed what it is now
     */
    public function update(string $key, callable $change, ?float $ttl = null): mixed
    {
        for ($i = 0; $i < self::ATTEMPTS; ++$i) {
            [$value, $version] = $this->getVersioned($key) ?? [null, 0];
            $value = $change($value);
            if ($this->compareAndSet($key, $version, $value, $ttl)) {
                return $value;
            }
        }
        throw new CallFailed("the value $key was changed by others " . self::ATTEMPTS . ' times while update() '
            . 'tried to', CallFailed::UNAVAILABLE);
    }

    /**
     * Adds to the whole number under a key, at once with no other in between, and gives the sum. Without one it begins
     * at 0, with this time to live; one that is there keeps its own.
     */
    public function increment(string $key, int $by = 1, ?float $ttl = null): int
    {
        return $this->call('increment', $key, $by, self::milliseconds($ttl));
    }

    /** The same, subtracted. */
    public function decrement(string $key, int $by = 1, ?float $ttl = null): int
    {
        return $this->increment($key, -$by, $ttl);
    }

    /** Removes keys, and says how many were there. */
    public function delete(string ...$keys): int
    {
        $count = 0;
        foreach (\array_chunk($keys, self::KEYS) as $some) {
            $count += $this->call('delete', $some);
        }

        return $count;
    }

    /**
     * What is under several keys, by key; those that have nothing have the default.
     *
     * @param iterable<string|int> $keys
     * @param bool                 $local as in get()
     *
     * @return array<array-key, mixed>
     */
    public function getMany(iterable $keys, mixed $default = null, bool $local = false): array
    {
        $values = [];
        foreach (\array_chunk(self::keys($keys), self::KEYS) as $some) {
            foreach ($this->call('get_many', $some, $local ?: null) as $i => $found) {
                $values[$some[$i]] = $found === null ? $default : self::value($found[0]);
            }
        }

        return $values;
    }

    /**
     * Puts several values under their keys, one after the other: others may see a part of them.
     *
     * @param iterable<array-key, mixed> $values by key
     */
    public function setMany(iterable $values, ?float $ttl = null): void
    {
        $list = [];
        $set = function () use (&$list, $ttl): void {
            if ($list !== []) {
                $this->call('set_many', $list, self::milliseconds($ttl));
                $list = [];
            }
        };
        $size = 0;
        foreach ($values as $key => $value) {
            \array_push($list, (string) $key, self::checked($value));
            $size += self::size($value);
            if (\count($list) === 2 * self::KEYS || $size > 4 << 20) { // a frame has 16 MiB at most
                $set();
                $size = 0;
            }
        }
        $set();
    }

    /**
     * The keys that begin with a prefix, in the order of their bytes. The host looks at all names that the store has,
     * so it is not for each request.
     *
     * @param string $after begins behind this key
     * @param int    $limit 1 to 1000; the last key is $after for more
     *
     * @return list<string>
     */
    public function scan(string $prefix = '', string $after = '', int $limit = 1000): array
    {
        return \array_map('strval', $this->call('scan', $prefix, $after, $limit));
    }

    /** Removes all keys, and says how many they were. */
    public function clear(): int
    {
        return $this->call('clear');
    }

    /**
     * What is under a key; if nothing is, what the function makes, which is put there. One worker makes it, and those
     * that ask meanwhile wait for it: as long as that takes, or $wait seconds, after which they make it themselves.
     *
     * @param float             $wait seconds that others wait, and that the one who makes it is believed to be at it
     * @param callable(): mixed $make
     */
    public function remember(string $key, ?float $ttl, callable $make, float $wait = 30): mixed
    {
        $found = $this->call('get', $key);
        if ($found !== null) {
            return self::value($found[0]);
        }
        try {
            $lock = Lock::acquire($this->acts ?? Acts::here(),
                "remember:{$this->name}:" . \hash('xxh128', $key), $wait, $wait, 'memory', false);
        } catch (CallFailed $e) {
            if ($e->getCode() === CallFailed::PERMISSION_DENIED) {
                return $make(); // this code is only tried: it changes nothing
            }
            throw $e;
        }
        try {
            $found = $this->call('get', $key);
            if ($found !== null) {
                return self::value($found[0]);
            }
            $value = $make();
            $this->set($key, $value, $ttl);

            return $value;
        } finally {
            $lock?->release();
        }
    }

    private function call(string $method, mixed ...$arguments): mixed
    {
        while ($arguments !== [] && \end($arguments) === null && $method !== 'set' && $method !== 'add'
            && $method !== 'cas') {
            \array_pop($arguments);
        }

        return ($this->acts ?? Acts::here())->current()->call(Frame::CALL, "store.$method",
            [$this->name, ...$arguments]);
    }

    private static function value(mixed $value): mixed
    {
        return \is_array($value) || \is_object($value) ? Entries::arrays($value) : $value;
    }

    private static function checked(mixed $value): mixed
    {
        if (\is_array($value) || \is_object($value) || \is_resource($value)) {
            Entries::check($value, '', 0, 'store');
        }

        return $value;
    }

    /** About how many bytes it takes. */
    private static function size(mixed $value): int
    {
        if (\is_string($value)) {
            return \strlen($value);
        }

        return \is_array($value) ? 9 + \array_sum(\array_map(self::size(...), $value)) : 9;
    }

    /** @param iterable<string|int> $keys @return list<string> */
    private static function keys(iterable $keys): array
    {
        $list = [];
        foreach ($keys as $key) {
            $list[] = (string) $key;
        }

        return $list;
    }

    /** @internal */
    public static function milliseconds(?float $seconds): ?int
    {
        if ($seconds === null) {
            return null;
        }
        if (!($seconds >= 0 && $seconds <= 3e9)) {
            throw new \ValueError("A time to live is 0 seconds or more, or null, and not $seconds");
        }

        return (int) \ceil($seconds * 1000);
    }
}
