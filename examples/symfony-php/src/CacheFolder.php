<?php

declare(strict_types=1);

namespace App;

/**
 * Where compiled container, routes and templates lie: one folder per release, because old and new workers run side by
 * side during a reload.
 *
 * A release is a project folder with its code as it is now, so that a reload after an edit in place compiles anew,
 * too.
 */
final class CacheFolder
{
    /** @var array<string, string> project => folder: the code that this process runs does not change any more */
    private static array $folders = [];

    public static function of(string $project): string
    {
        return self::$folders[$project] ??= self::base() . '/' . self::release($project);
    }

    private static function release(string $project): string
    {
        $changed = [];
        foreach (['src', 'templates'] as $folder) {
            $files = new \RecursiveDirectoryIterator("$project/$folder", \FilesystemIterator::SKIP_DOTS);
            foreach (new \RecursiveIteratorIterator($files) as $path => $file) {
                $changed[$path] = [$file->getMTime(), $file->getSize()];
            }
        }
        ksort($changed);

        return hash('xxh128', serialize($changed));
    }

    /** What is in there is run, so it has to be a folder that nobody else may write to. */
    private static function base(): string
    {
        $folder = $_SERVER['APP_CACHE_DIR'] ?? sys_get_temp_dir() . '/symfony-php-' . posix_geteuid();
        if (!is_dir($folder) && !@mkdir($folder, 0700, true) && !is_dir($folder)) {
            throw new \RuntimeException("can't create $folder: name another folder in APP_CACHE_DIR");
        }
        if (fileowner($folder) !== posix_geteuid() || (fileperms($folder) & 0022) !== 0) {
            throw new \RuntimeException(
                "others may write to $folder: remove it, or name another folder in APP_CACHE_DIR");
        }

        return $folder;
    }
}
