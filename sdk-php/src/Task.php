<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\Frame;

/**
 * Work that is no request, as Tasks::push() has asked for it; what Worker::onTask() gets. It is run at least once: it
 * may come again when its worker or its host has died, so what it does is best done once by its id.
 */
final class Task
{
    /** How many bytes of a trace the host is told. */
    private const TRACE = 65536;

    public readonly string $queue;
    /** The queue has no other one with it. */
    public readonly string $id;
    /** How often it was given out, from 1, this time included. */
    public readonly int $attempt;
    /** How many attempts its queue gives it: with the last one that fails it lies with the failed ones. */
    public readonly int $attempts;
    /** What was pushed: strings, numbers, true, false, null, and arrays of them. */
    public readonly mixed $payload;
    /** When it was pushed, in seconds since 1970. */
    public readonly float $pushed;
    public readonly string $key;
    public readonly int $priority;

    /** @var list<mixed>|null SETTLE's elements from `how` on */
    private ?array $settled = null;

    /** @internal @param list<mixed> $event TASK (SPEC.md §18.3) */
    public function __construct(array $event, private readonly Acts $acts)
    {
        [, , $this->queue, $this->id, $this->attempt, $payload, $pushed, $this->key, $this->priority, $this->attempts]
            = $event;
        $this->payload = Entries::plain($payload);
        $this->pushed = $pushed / 1000;
    }

    /**
     * Says how far it is, and that it goes on: the time that its queue gives it
     * begins anew. At once, whatever becomes of the handler.
     *
     * @param mixed $value strings, numbers, true, false, null, and arrays of them, at most 4 KiB
     *
     * @throws \TypeError if the value can't be kept
     */
    public function progress(mixed $value = null): void
    {
        Entries::check($value, '', 0, 'progress');
        $this->acts->act([Frame::PROGRESS, 0, 0, $value], true);
    }

    /**
     * Has it come again, once the handler has returned, as another attempt; that is no failure, whatever the number.
     *
     * @param float $delay seconds until then
     * @param string|\Throwable $reason for the log
     *
     * @throws \ValueError
     */
    public function release(float $delay = 0, string|\Throwable $reason = ''): void
    {
        if (!($delay >= 0 && $delay < 1e10)) {
            throw new \ValueError("release() takes 0 seconds or more, not $delay");
        }
        $this->settled = [Frame::TASK_RELEASED, null, (int) \ceil($delay * 1000),
            \is_string($reason) ? $reason : Failure::summary($reason)];
    }

    /**
     * Has it lie with the failed ones, once the handler has returned, without further attempts. What the handler has
     * pushed and sent takes effect nevertheless. A throw is a failure that leaves it its other attempts.
     *
     * @param string|\Throwable $reason for a person to read; an exception's trace lies with it
     */
    public function fail(string|\Throwable $reason = ''): void
    {
        $this->settled = [Frame::TASK_GIVEN_UP, null, 0, ...\is_string($reason) ? [$reason]
            : [Failure::summary($reason), \substr((string) $reason, 0, self::TRACE)]];
    }

    /** @internal What becomes of it, with what its handler has returned. @return list<mixed>|null SETTLE */
    public function settlement(mixed $result): ?array
    {
        if ($this->settled !== null) {
            return [Frame::SETTLE, 0, 0, ...$this->settled];
        }
        try {
            Entries::check($result, '', 0, 'result');
        } catch (\TypeError) {
            return null; // of an arrow function, most likely, that returns what it calls
        }

        return $result === null ? null : [Frame::SETTLE, 0, 0, Frame::TASK_DONE, $result];
    }

    /** @internal What becomes of it if its handler has thrown. @return list<mixed> SETTLE */
    public function failure(string $reason, string $trace): array
    {
        return [Frame::SETTLE, 0, 0, ($this->settled[0] ?? 0) === Frame::TASK_GIVEN_UP ? Frame::TASK_GIVEN_UP
            : Frame::TASK_FAILED, null, 0, $reason, \substr($trace, 0, self::TRACE)];
    }
}
