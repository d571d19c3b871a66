<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http\Session;

use Workerman\Protocols\Http\Session;

/** Sessions in files, one each, in a folder that all workers of the pool share. */
class FileSessionHandler implements SessionHandlerInterface
{
    private const PREFIX = 'session_';

    private static string $folder = '';

    /** @param array<string, mixed> $config `save_path` */
    public function __construct(array $config = [])
    {
        if (isset($config['save_path'])) {
            self::sessionSavePath((string) $config['save_path']);
        }
    }

    public static function sessionSavePath(string $path): string
    {
        if ($path !== '' && !\is_dir($path) && !@\mkdir($path, 0700, true) && !\is_dir($path)) {
            throw new \RuntimeException("The folder for sessions, $path, can't be made: let this user write there");
        }

        return self::$folder = $path;
    }

    public function open(string $savePath, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    public function read(string $sessionId): string|false
    {
        $file = self::file($sessionId);
        \clearstatcache(true, $file);
        if (!\is_file($file)) {
            return false;
        }
        if (\time() - (int) @\filemtime($file) > Session::$lifetime) {
            @\unlink($file); // another process may have been first

            return false;
        }

        return @\file_get_contents($file);
    }

    public function write(string $sessionId, string $sessionData): bool
    {
        $file = self::file($sessionId);
        $new = $file . '.' . \bin2hex(\random_bytes(4));

        return \file_put_contents($new, $sessionData) !== false && \rename($new, $file);
    }

    public function updateTimestamp(string $sessionId, string $data = ''): bool
    {
        return \is_file(self::file($sessionId)) && \touch(self::file($sessionId));
    }

    public function destroy(string $sessionId): bool
    {
        return !\is_file(self::file($sessionId)) || @\unlink(self::file($sessionId));
    }

    public function gc(int $maxLifetime): bool
    {
        foreach (\glob(self::folder() . self::PREFIX . '*') ?: [] as $file) {
            if (\is_file($file) && \time() - (int) @\filemtime($file) > $maxLifetime) {
                @\unlink($file);
            }
        }

        return true;
    }

    private static function file(string $id): string
    {
        return self::folder() . self::PREFIX . $id;
    }

    private static function folder(): string
    {
        if (self::$folder === '') {
            self::sessionSavePath(\sys_get_temp_dir() . '/workerman-sessions');
        }

        return self::$folder . '/';
    }
}
