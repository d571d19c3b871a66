<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Task;

/**
 * @internal Payloads that are code to whoever runs them, such as objects as PHP serialises them: they are signed with
 *     the application's key, for one queue and one id, so that who may publish to the engine, but does not have the
 *     key, can't have anything run.
 */
final class Signed
{
    private const NAME = 'signature';

    /**
     * @param array<array-key, mixed> $payload strings, numbers, true, false, null, and arrays of them
     *
     * @return array<array-key, mixed> the payload with its signature
     */
    public static function seal(#[\SensitiveParameter] string $key, string $queue, string $id, array $payload): array
    {
        return [...$payload, self::NAME => self::signature($key, $queue, $id, $payload)];
    }

    /**
     * A task's payload without its signature; null if none of the keys has made that.
     *
     * @param list<string> $keys
     *
     * @return array<array-key, mixed>|null
     */
    public static function open(#[\SensitiveParameter] array $keys, Task $task): ?array
    {
        $payload = $task->payload;
        $signature = \is_array($payload) ? $payload[self::NAME] ?? null : null;
        if (!\is_string($signature)) {
            return null;
        }
        unset($payload[self::NAME]);
        foreach ($keys as $key) {
            if (\hash_equals(self::signature($key, $task->queue, $task->id, $payload), $signature)) {
                return $payload;
            }
        }

        return null;
    }

    /** @param array<array-key, mixed> $payload */
    private static function signature(string $key, string $queue, string $id, array $payload): string
    {
        if ($key === '') {
            throw new \LogicException('the application has no key, which tasks are to be signed with');
        }

        return \hash_hmac('sha256', \serialize([$queue, $id, $payload]), \hash_hmac('sha256', 'workerhost tasks', $key,
            true));
    }
}
