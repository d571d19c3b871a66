<?php

declare(strict_types=1);

namespace Chat;

/**
 * The last messages of each room, numbered from 1: one JSON file a room, which all workers share. It outlives a
 * worker, a reload, and the host.
 *
 * Who writes holds the lock from reading to renaming; who reads needs none, because a rename shows the old file or the
 * new one, whole. A worker that is killed half-way leaves the old one, and the system takes its lock away.
 */
final class History
{
    private const KEPT = 100;

    public function __construct(private readonly string $folder)
    {
    }

    /** @return list<array<string, mixed>> those with a greater number, in order */
    public function after(string $room, int $number): array
    {
        return array_values(array_filter($this->read($room),
            static fn (array $message): bool => $message['number'] > $number));
    }

    /**
     * Keeps a message, unless one with its id is there already.
     *
     * @param array<string, mixed> $message
     *
     * @return array<string, mixed> the message as it is kept, with `number` and `at`, in milliseconds since 1970
     */
    public function add(string $room, array $message): array
    {
        $file = $this->file($room);
        $lock = fopen("$file.lock", 'c') ?: throw new \RuntimeException("can't open $file.lock");
        flock($lock, LOCK_EX) ?: throw new \RuntimeException("can't lock $file.lock");
        $messages = $this->read($room);
        foreach ($messages as $kept) {
            if ($kept['id'] === $message['id']) {
                return $kept;
            }
        }
        $last = $messages === [] ? 0 : $messages[count($messages) - 1]['number'];
        $messages[] = $message = ['number' => $last + 1, 'at' => (int) (microtime(true) * 1000)] + $message;
        $json = json_encode(array_slice($messages, -self::KEPT),
            JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
        if (file_put_contents("$file.new", $json) !== strlen($json) || !rename("$file.new", $file)) {
            throw new \RuntimeException("can't write $file");
        }

        return $message; // $lock is closed here, which unlocks it
    }

    /** @return list<array<string, mixed>> */
    private function read(string $room): array
    {
        $json = @file_get_contents($this->file($room));

        return $json === false ? [] : json_decode($json, true, flags: JSON_THROW_ON_ERROR);
    }

    /** The room is one of Chat::ROOMS, so that this stays in the folder. */
    private function file(string $room): string
    {
        return "$this->folder/$room.json";
    }
}
