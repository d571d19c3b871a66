<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

/** @internal In place of PHP's session files: a process has one session open, which several requests would share. */
final class NoSessions implements \SessionHandlerInterface
{
    public static function install(): void
    {
        if (\function_exists('session_status') && \session_status() === \PHP_SESSION_NONE) {
            \session_set_save_handler(new self(), false);
        }
    }

    public function open(string $path, string $name): bool
    {
        throw new \Error('PHP\'s sessions do not go with concurrency() above 1: a process has one $_SESSION, and its '
            . 'requests would share it. Keep what belongs to a client under an id of your own, in a cookie and a '
            . 'store');
    }

    public function close(): bool
    {
        return true;
    }

    public function read(string $id): string|false
    {
        return false;
    }

    public function write(string $id, string $data): bool
    {
        return false;
    }

    public function destroy(string $id): bool
    {
        return false;
    }

    public function gc(int $max_lifetime): int|false
    {
        return 0;
    }
}
