<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Log;

/** @internal What Worker::every() was given. */
final class Timers
{
    /** Whether a tick is running. */
    public bool $ticking = false;

    /** @var list<array{int, int, callable(): mixed}> interval and next time in nanoseconds, and what to call */
    private array $all = [];
    private bool $started = false;

    /** @param callable(): mixed $tick */
    public function add(float $seconds, callable $tick): void
    {
        $interval = (int) ($seconds * 1e9);
        $this->all[] = [$interval, \hrtime(true) + $interval, $tick];
    }

    /** The worker is ready: the first intervals begin. */
    public function start(): void
    {
        if (!$this->started) {
            $this->started = true;
            foreach ($this->all as $i => [$interval]) {
                $this->all[$i][1] = \hrtime(true) + $interval;
            }
        }
    }

    /** Calls what is due. One that is late by whole intervals is called once. Says whether anything was called. */
    public function run(): bool
    {
        $ran = false;
        for ($i = 0; $i < \count($this->all); ++$i) {
            [$interval, $due, $tick] = $this->all[$i];
            $now = \hrtime(true);
            if ($due > $now) {
                continue;
            }
            $ran = $this->ticking = true;
            try {
                $tick();
            } catch (LinkError $e) {
                throw $e;
            } catch (\Throwable $e) {
                Log::error('every(): ' . Failure::summary($e), ['trace' => (string) $e]);
            }
            $this->ticking = false;
            $now = \hrtime(true);
            $this->all[$i][1] = $due + $interval > $now ? $due + $interval : $now + $interval;
        }

        return $ran;
    }

    /** Microseconds until something is due. */
    public function wait(): int
    {
        $next = \min(\array_column($this->all, 1));

        return \max(0, \intdiv($next - \hrtime(true) + 999, 1000));
    }
}
