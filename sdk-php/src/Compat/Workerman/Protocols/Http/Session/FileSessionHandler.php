<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http\Session;

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

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    public function read(string $id): string
    {
        $file = self::file($id);

        return \is_file($file) ? (string) \file_get_contents($file) : '';
    }

    public function write(string $id, string $data): bool
    {
        $file = self::file($id);
        $new = $file . '.' . \bin2hex(\random_bytes(4));

        return \file_put_contents($new, $data) !== false && \rename($new, $file);
    }

    public function updateTimestamp(string $sessionId, string $data = ''): bool
    {
        return \is_file(self::file($sessionId)) && \touch(self::file($sessionId));
    }

    public function destroy(string $id): bool
    {
        return !\is_file(self::file($id)) || \unlink(self::file($id));
    }

    public function gc(int $max_lifetime): int|false
    {
        $gone = 0;
        foreach (\glob(self::folder() . self::PREFIX . '*') ?: [] as $file) {
            if (\is_file($file) && (int) @\filemtime($file) < \time() - $max_lifetime && @\unlink($file)) {
                ++$gone;
            }
        }

        return $gone;
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
