<?php

declare(strict_types=1);

namespace LineServer;

/**
 * The values, in one JSON file that all workers share, and that outlives them.
 *
 * Who writes holds the lock from reading to renaming; who reads needs none, because a rename shows the old file or the
 * new one, whole.
 */
final class Store
{
    private const MOST = 1000;

    public function __construct(private readonly string $file)
    {
    }

    /** @return array<array-key, string> key => value */
    public function all(): array
    {
        $json = @file_get_contents($this->file);

        return $json === false ? [] : json_decode($json, true, flags: JSON_THROW_ON_ERROR);
    }

    /** Whether there was room for it. */
    public function set(string $key, string $value): bool
    {
        return $this->change(static function (array &$values) use ($key, $value): bool {
            $room = isset($values[$key]) || count($values) < self::MOST;
            if ($room) {
                $values[$key] = $value;
            }

            return $room;
        });
    }

    public function delete(string $key): void
    {
        $this->change(static function (array &$values) use ($key): bool {
            unset($values[$key]);

            return true;
        });
    }

    /** @param \Closure(array<array-key, string>): bool $change */
    private function change(\Closure $change): bool
    {
        $lock = fopen("$this->file.lock", 'c') ?: throw new \RuntimeException("can't open $this->file.lock");
        flock($lock, LOCK_EX) ?: throw new \RuntimeException("can't lock $this->file.lock");
        $values = $this->all();
        $done = $change($values);
        $json = json_encode($values, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_FORCE_OBJECT);
        if (file_put_contents("$this->file.new", $json) !== strlen($json) || !rename("$this->file.new", $this->file)) {
            throw new \RuntimeException("can't write $this->file");
        }

        return $done; // $lock is closed here, which unlocks it
    }
}
