<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Frame;

/**
 * What Worker::tasks() gives: work that is no request, for queues that host.toml names, `[queue.emails]`. It waits on
 * disk until a worker has done it.
 *
 *     $worker->tasks()->push('emails', ['to' => $address]);
 *
 * What a handler pushes takes effect when it returns, all together with what it sends, and not at all if it throws:
 * it is on disk before the client gets the answer. With now: true it is on disk when push() returns. Outside of a
 * handler, in a timer or onStop(), it is always so.
 */
final class Tasks
{
    /** The most that a payload has, encoded (SPEC.md §18.2), and what stands beside it in its frame at most. */
    private const MAX = 1 << 20;
    private const BESIDE = 4096;

    /** The pool, if its host has no queue for it; it is the process's, as there is one worker in it. */
    private static ?string $refusing = '';

    /** @internal */
    public function __construct(private readonly ?Acts $acts)
    {
    }

    /**
     * What Worker::tasks() gives where no Worker is at hand, as in a framework's services. It may be made before the
     * worker is ready, and used from then on.
     */
    public static function here(): self
    {
        return new self(null);
    }

    /** @internal @param list<mixed> $hello */
    public static function greet(array $hello): void
    {
        self::$refusing = \in_array('tasks', $hello[10], true) ? null : $hello[3];
    }

    /**
     * Pushes a task.
     *
     * @param string $queue of host.toml
     * @param mixed $payload strings, numbers, true, false, null, and arrays of them, at most 1 MiB
     * @param float $delay seconds until it may begin
     * @param string $id 1 to 128 bytes; while the queue has a task of this id that is neither done nor failed, this
     *     does nothing. '' has one be made
     * @param string|int $key tasks of one key run one after the other, in order; '' is none
     * @param int $priority 0 to 9: those of a higher one begin first, but for tasks with keys
     * @param bool $now whether it is on disk when this returns, whatever becomes of the handler
     *
     * @return string its id
     *
     * @throws \TypeError if the payload can't be kept
     * @throws \LengthException if it is too large, or too much waits for the handler to return
     * @throws \ValueError for a delay, an id or a priority that is none
     * @throws \LogicException if host.toml has no queues
     * @throws CallFailed where it is pushed at once: NOT_FOUND if host.toml does not have the queue; UNAVAILABLE and
     *     DEADLINE_EXCEEDED if the host can't write it down in time
     */
    public function push(string $queue, mixed $payload = null, float $delay = 0, string $id = '',
        string|int $key = '', int $priority = 0, bool $now = false): string
    {
        $task = self::task($queue, $payload, $delay, $id, (string) $key, $priority);
        $acts = $this->acts()->current();
        if ($now || !$acts->isOpen()) {
            return $this->send([$task])[0];
        }
        $this->stage($acts, $task);

        return $task[2];
    }

    /**
     * Pushes several tasks: all of them or none.
     *
     * @param array<array-key, mixed> $payloads a list, or by their ids
     *
     * @return list<string> their ids
     *
     * @throws \TypeError and others as push()
     */
    public function pushAll(string $queue, array $payloads, float $delay = 0, string|int $key = '',
        int $priority = 0, bool $now = false): array
    {
        $named = !\array_is_list($payloads);
        $all = [];
        foreach ($payloads as $id => $payload) {
            $all[] = self::task($queue, $payload, $delay, $named ? (string) $id : '', (string) $key, $priority);
        }
        $acts = $this->acts()->current();
        if ($all === [] || $now || !$acts->isOpen()) {
            return $all === [] ? [] : $this->send($all);
        }
        foreach ($all as $task) {
            $this->stage($acts, $task);
        }

        return \array_column($all, 2);
    }

    /**
     * Pushes a task at once, and waits until it is done, however many attempts that takes. This worker does nothing
     * else meanwhile: where the queue is of this pool, another one has to be free.
     *
     * @param float $timeout seconds to wait; the task goes on after them
     *
     * @return mixed what its handler has returned: strings, numbers, true, false, null, and arrays of them
     *
     * @throws TaskFailed if it lies with the failed ones
     * @throws CallFailed DEADLINE_EXCEEDED if the time is up, and others as push()
     */
    public function pushAndWait(string $queue, mixed $payload = null, float $timeout = 30, string $id = '',
        string|int $key = '', int $priority = 0): mixed
    {
        if (!($timeout > 0 && $timeout < 1e9)) {
            throw new \ValueError("pushAndWait(): timeout is a number of seconds above 0, not $timeout");
        }
        $task = self::task($queue, $payload, 0, $id, (string) $key, $priority);
        $end = $this->acts()->current()->call(Frame::CALL, 'tasks.wait', [$task], (int) \ceil($timeout * 1000));
        if (!\is_array($end) || \count($end) < 3) {
            throw new CallFailed('the host answered with no end of a task');
        }
        if ($end[0] !== Frame::TASK_DONE) {
            throw new TaskFailed((string) $end[2]);
        }

        return Entries::plain($end[1]);
    }

    private function acts(): Acts
    {
        return $this->acts ?? Acts::here();
    }

    /**
     * @param list<list<mixed>> $all
     *
     * @return list<string>
     */
    private function send(array $all): array
    {
        return $this->acts()->current()->call(Frame::CALL, 'tasks.push', [$all]);
    }

    /** @param list<mixed> $task */
    private function stage(Acts $acts, array $task): void
    {
        $acts->act([Frame::PUSH, 0, 0, ...$task], false, self::MAX + self::BESIDE);
    }

    /** @return array{string, mixed, string, int, string, int} as SPEC.md §18.4 has it */
    private static function task(string $queue, mixed $payload, float $delay, string $id, string $key,
        int $priority): array
    {
        if (self::$refusing !== null) {
            throw new \LogicException('the host has no queues for this pool: write [queue.NAME] into host.toml, with '
                . 'pool = "' . (self::$refusing === '' ? 'NAME' : self::$refusing) . '", and reload');
        }
        Entries::check($payload, '', 0, 'payload');
        if (\is_string($payload) && \strlen($payload) > self::MAX) {
            throw new \LengthException('the payload has ' . \strlen($payload) . ' bytes: a task has at most 1 MiB; '
                . 'put what is large elsewhere, and push where it is');
        }
        if (!($delay >= 0 && $delay < 1e10)) {
            throw new \ValueError("push(): the delay is 0 seconds or more, not $delay");
        }
        if (\strlen($id) > 128) {
            throw new \ValueError('push(): an id has at most 128 bytes, and this has ' . \strlen($id));
        }
        if ($priority < 0 || $priority > 9) {
            throw new \ValueError("push(): the priority is 0 to 9, not $priority");
        }

        return [$queue, $payload, $id === '' ? \bin2hex(\random_bytes(12)) : $id, (int) \ceil($delay * 1000), $key,
            $priority];
    }
}
