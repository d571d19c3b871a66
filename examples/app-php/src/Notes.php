<?php

declare(strict_types=1);

namespace App;

/**
 * Notes in one JSON file, which all workers share: each is a process of its own, so a PHP array would be one worker's
 * alone.
 *
 * Who writes holds the lock from reading to renaming; who reads needs none, because a rename shows the old file or the
 * new one, whole.
 */
final class Notes
{
    public function __construct(private readonly string $file)
    {
    }

    /** @return array<int, string> id => text */
    public function all(): array
    {
        $json = @file_get_contents($this->file);

        return $json === false ? [] : json_decode($json, true, flags: JSON_THROW_ON_ERROR)['notes'];
    }

    /** Returns the new note's id. */
    public function add(string $text): int
    {
        return $this->change(static function (array &$data) use ($text): int {
            $data['notes'][++$data['last']] = $text;

            return $data['last'];
        });
    }

    /** Gives note $id the text, or removes it for null; false if there is no such note. */
    public function set(int $id, ?string $text): bool
    {
        return $this->change(static function (array &$data) use ($id, $text): bool {
            $known = isset($data['notes'][$id]);
            if ($known && $text === null) {
                unset($data['notes'][$id]);
            } elseif ($known) {
                $data['notes'][$id] = $text;
            }

            return $known;
        });
    }

    private function change(\Closure $change): mixed
    {
        $lock = fopen("$this->file.lock", 'c') ?: throw new \RuntimeException("can't open $this->file.lock");
        flock($lock, LOCK_EX) ?: throw new \RuntimeException("can't lock $this->file.lock");
        $data = is_file($this->file) ? json_decode(file_get_contents($this->file), true, flags: JSON_THROW_ON_ERROR)
            : ['last' => 0, 'notes' => []];
        $result = $change($data);
        $written = file_put_contents("$this->file.new",
            json_encode($data, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_FORCE_OBJECT));
        if ($written === false || !rename("$this->file.new", $this->file)) {
            throw new \RuntimeException("can't write $this->file");
        }

        return $result; // $lock is closed here, which unlocks it
    }
}
