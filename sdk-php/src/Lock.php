<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Frame;

/**
 * A lock that this worker holds, or held (SPEC.md §17.3): Worker::lock('name', …). It ends with release(), with the
 * handler that has acquired it, with its time to live, or with the worker, whichever comes first.
 */
final class Lock
{
    private bool $released = false;

    private function __construct(private readonly Acts $acts, public readonly string $name,
        private readonly int $token, private readonly string $kind)
    {
    }

    /**
     * @internal
     *
     * @throws CallFailed
     */
    public static function acquire(Acts $acts, string $name, float $ttl, float $wait, string $kind, bool $keep): ?self
    {
        $token = $acts->current()->call(Frame::CALL, 'lock.acquire', [$name, self::time($ttl),
            Store::milliseconds($wait), $kind, $keep]);
        if ($token === null) {
            return null;
        }
        $lock = new self($acts, $name, $token, $kind);
        if (!$keep) {
            $acts->current()->keep($lock);
        }

        return $lock;
    }

    /**
     * Worker::lock() where no Worker is at hand, as in a framework's services.
     *
     * @throws CallFailed
     */
    public static function get(string $name, float $ttl = 30, float $wait = 0, bool $keep = false,
        bool $durable = true): ?self
    {
        return self::acquire(Acts::here(), $name, $ttl, $wait, $durable ? 'disk' : 'memory', $keep);
    }

    /**
     * Greater than that of whoever held the lock before: give it to what you write to, and have that refuse one that
     * is smaller than the greatest it has seen. A worker that was stopped for a while may not know that its time is
     * up.
     */
    public function token(): int
    {
        return $this->token;
    }

    /**
     * Holds it for so long from now on.
     *
     * @param float $ttl seconds, above 0, rounded up to whole ones
     *
     * @return bool false: it is another one's by now, or nobody's
     *
     * @throws CallFailed
     */
    public function renew(float $ttl): bool
    {
        return !$this->released && $this->acts->current()->call(Frame::CALL, 'lock.renew', [$this->name, $this->token,
            self::time($ttl), $this->kind]) === true;
    }

    /**
     * Gives it up, and has the next one of those who wait have it. Again does nothing.
     *
     * @return bool false: it was not held any more
     *
     * @throws CallFailed
     */
    public function release(): bool
    {
        if ($this->released) {
            return false;
        }
        $this->released = true;
        $this->acts->current()->drop($this);

        return $this->acts->current()->call(Frame::CALL, 'lock.release', [$this->name, $this->token, $this->kind])
            === true;
    }

    private static function time(float $ttl): int
    {
        if (!($ttl > 0 && $ttl <= 3e9)) {
            throw new \ValueError("A lock's time to live is above 0 seconds, and not $ttl");
        }

        return (int) \ceil($ttl * 1000);
    }
}
