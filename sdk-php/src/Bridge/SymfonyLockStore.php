<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Symfony\Component\Lock\BlockingStoreInterface;
use Symfony\Component\Lock\Exception\LockAcquiringException;
use Symfony\Component\Lock\Exception\LockConflictedException;
use Symfony\Component\Lock\Exception\LockReleasingException;
use Symfony\Component\Lock\Key;
use WorkerHost\CallFailed;
use WorkerHost\Internal\Acts;
use WorkerHost\Lock;

/**
 * The host's locks as a store of Symfony's Lock component:
 *
 *     $factory = new LockFactory(new SymfonyLockStore());
 *     $lock = $factory->createLock('stock', ttl: 10);
 *
 * A lock ends with its release, its time to live, or its worker; beyond the request at hand it is kept. Who waits for
 * one is woken, and does not poll. Its key can't be serialised for another process.
 */
final class SymfonyLockStore implements BlockingStoreInterface
{
    /** For how long the host has one wait for a lock, in seconds, before it is asked anew. */
    private const WAIT = 10;

    /**
     * @param float $ttl     seconds that a lock without a time to live is had at most
     * @param bool  $durable whether a lock outlives the host's upgrade; if not it is faster
     */
    public function __construct(private readonly float $ttl = 300, private readonly bool $durable = true)
    {
    }

    /**
     * Acquires a lock, without waiting; one that this key has is renewed.
     *
     * @throws LockConflictedException if another one has it
     * @throws LockAcquiringException  if the host can't say
     */
    public function save(Key $key): void
    {
        $this->acquire($key, 0) || throw new LockConflictedException();
    }

    /**
     * Acquires a lock, and waits for it.
     *
     * @throws LockAcquiringException if the host can't say
     */
    public function waitAndSave(Key $key): void
    {
        while (!$this->acquire($key, self::WAIT)) {
        }
    }

    /**
     * Has a lock be held for so many seconds from now on.
     *
     * @throws LockConflictedException if it is another one's by now, or nobody's
     * @throws LockAcquiringException  if the host can't say
     */
    public function putOffExpiration(Key $key, float $ttl): void
    {
        $key->reduceLifetime($ttl);
        $this->renew($key, $ttl) || throw new LockConflictedException();
    }

    /** @throws LockReleasingException if the host can't say */
    public function delete(Key $key): void
    {
        if ($key->hasState(self::class)) {
            try {
                $key->getState(self::class)->release();
            } catch (CallFailed $e) {
                throw new LockReleasingException($e->getMessage(), $e->getCode(), $e);
            }
            $key->removeState(self::class);
        }
    }

    /** Whether this key has its lock still. */
    public function exists(Key $key): bool
    {
        $left = $key->getRemainingLifetime() ?? 0;

        return $left > 0 && $this->renew($key, $left);
    }

    private function acquire(Key $key, float $wait): bool
    {
        if ($this->renew($key, $this->ttl)) {
            $key->reduceLifetime($this->ttl);

            return true;
        }
        try {
            $lock = Lock::acquire(Acts::here(), (string) $key, $this->ttl, $wait, $this->durable ? 'disk' : 'memory',
                true);
        } catch (CallFailed $e) {
            throw new LockAcquiringException($e->getMessage(), $e->getCode(), $e);
        }
        if ($lock === null) {
            return false;
        }
        $key->reduceLifetime($this->ttl);
        $key->markUnserializable();
        $key->setState(self::class, $lock);

        return true;
    }

    private function renew(Key $key, float $ttl): bool
    {
        try {
            return $key->hasState(self::class) && $key->getState(self::class)->renew($ttl);
        } catch (CallFailed $e) {
            throw new LockAcquiringException($e->getMessage(), $e->getCode(), $e);
        }
    }
}
