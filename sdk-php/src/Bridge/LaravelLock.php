<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Illuminate\Cache\Lock;
use WorkerHost\Store;

/**
 * A lock of Laravel's over a store: LaravelStore::lock(). As Laravel has it, it belongs to its owner's name, not
 * to the worker: it ends by release() or its time, and who knows the name may restore and release it. It has no
 * fencing token; Worker::lock() has.
 */
final class LaravelLock extends Lock
{
    /** @param int $seconds 0: a day */
    public function __construct(private readonly Store $store, string $name, $seconds, $owner = null)
    {
        parent::__construct($name, $seconds, $owner);
    }

    /** Whether it is had now; it does not wait. */
    public function acquire()
    {
        return $this->store->add("lock:$this->name", $this->owner, $this->seconds > 0 ? $this->seconds : 86400);
    }

    /** Gives it up; false if another owner has it, or nobody. */
    public function release()
    {
        for (;;) {
            [$owner, $version] = $this->store->getVersioned("lock:$this->name") ?? [null, 0];
            if ($owner !== $this->owner) {
                return false;
            }
            if ($this->store->compareAndSet("lock:$this->name", $version, null, 0.001)) {
                return true;
            }
        }
    }

    /** Gives it up whoever has it. */
    public function forceRelease()
    {
        $this->store->delete("lock:$this->name");
    }

    protected function getCurrentOwner()
    {
        return $this->store->get("lock:$this->name");
    }
}
