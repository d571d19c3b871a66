<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http\Session;

/** Where sessions of HTTP are kept: by their id, as bytes that only the session reads. */
interface SessionHandlerInterface
{
    public function open(string $savePath, string $name): bool;

    public function close(): bool;

    /** '' or false if there is none. */
    public function read(string $sessionId): string|false;

    public function write(string $sessionId, string $sessionData): bool;

    public function updateTimestamp(string $sessionId, string $data = ''): bool;

    public function destroy(string $sessionId): bool;

    /** Forgets those that nobody has written for so many seconds. */
    public function gc(int $maxLifetime): bool;
}
