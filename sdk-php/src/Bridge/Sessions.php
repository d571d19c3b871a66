<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use WorkerHost\Lock;
use WorkerHost\Store;

/**
 * PHP's own sessions in a store of the host's, so that all workers have them:
 *
 *     session_set_save_handler(new Sessions(Store::of('sessions')));
 *
 * A session is locked from session_start() until it is written, as PHP's own files do it, so that two requests of one
 * client don't undo what the other has written. A request that waits longer than that fails to start it. It lives for
 * `session.gc_maxlifetime` after it was last written; declare the store with `kind = "disk"` to have it outlive the
 * host.
 */
final class Sessions implements \SessionHandlerInterface, \SessionUpdateTimestampHandlerInterface
{
    private ?Lock $lock = null;

    /**
     * @param float $wait seconds to wait for a session that another request has
     * @param float $most seconds that a request has it at most
     */
    public function __construct(private readonly Store $store, private readonly float $wait = 30,
        private readonly float $most = 300)
    {
    }

    /** Does nothing: the host has the sessions. */
    public function open(string $path, string $name): bool
    {
        return true;
    }

    /** Waits for the session, and gives what it holds; false if another request has it for too long. */
    public function read(string $id): string|false
    {
        $this->lock?->release();
        $this->lock = Lock::get("session:{$this->store->name}:$id", $this->most, $this->wait, durable: false);

        return $this->lock === null ? false : (string) $this->store->get($id, '');
    }

    /** Keeps what it holds, for `session.gc_maxlifetime` seconds. */
    public function write(string $id, string $data): bool
    {
        $this->store->set($id, $data, (float) \ini_get('session.gc_maxlifetime'));

        return true;
    }

    /** Whether there is such a session, for `session.use_strict_mode`. */
    public function validateId(string $id): bool
    {
        return $this->store->has($id);
    }

    /** Has it live on though it has not changed. */
    public function updateTimestamp(string $id, string $data): bool
    {
        return $this->write($id, $data);
    }

    /** Lets the next request have it. */
    public function close(): bool
    {
        $this->lock?->release();
        $this->lock = null;

        return true;
    }

    /** Removes it. */
    public function destroy(string $id): bool
    {
        $this->store->delete($id);

        return true;
    }

    /** Does nothing: the host removes what has had its time. */
    public function gc(int $max_lifetime): int|false
    {
        return 0; // the host does it
    }
}
