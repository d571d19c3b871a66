<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Log;
use WorkerHost\Timer;

/** @internal What Worker::every() and Worker::after() were given. */
final class Timers
{
    /** Whether a tick is running. */
    public bool $ticking = false;

    /** @var array<int, Timer> */
    private array $all = [];
    private bool $started = false;

    /** @param bool $again whether it runs more than once */
    public function add(float $seconds, callable $function, bool $again): Timer
    {
        $interval = (int) ($seconds * 1e9);
        $due = \hrtime(true) + $interval;

        return $this->all[] = new Timer($function(...), $interval, $again, $due);
    }

    /** Whether nothing is left to be run. */
    public function isEmpty(): bool
    {
        $this->all = \array_filter($this->all, static fn (Timer $timer): bool => !$timer->cancelled);

        return $this->all === [];
    }

    /** The worker is ready: the first intervals begin. */
    public function start(): void
    {
        if (!$this->started) {
            $this->started = true;
            foreach ($this->all as $timer) {
                $timer->due = \hrtime(true) + $timer->interval;
            }
        }
    }

    /** Calls what is due. One that is late by whole intervals is called once. Says whether anything was called. */
    public function run(): bool
    {
        $ran = false;
        foreach ($this->all as $timer) { // a copy: what is added meanwhile waits for the next run
            if ($this->isDue($timer)) {
                $ran = $this->ticking = true;
                $this->fire($timer);
                $this->ticking = false;
            }
        }

        return $ran;
    }

    /** Whether it is to be called now. */
    public function isDue(Timer $timer): bool
    {
        return !$timer->cancelled && !$timer->running && $timer->due <= \hrtime(true);
    }

    /** What is due, to be called by fire(). @return list<Timer> */
    public function due(): array
    {
        return \array_values(\array_filter($this->all, $this->isDue(...)));
    }

    /** Calls one. @throws LinkError */
    public function fire(Timer $timer): void
    {
        $timer->cancelled = !$timer->again;
        $timer->running = true;
        try {
            ($timer->function)();
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $what = $timer->again ? 'every(): ' : 'after(): ';
            Log::error($what . Failure::summary($e), ['trace' => (string) $e]);
        }
        $timer->running = false;
        $next = $timer->due + $timer->interval;
        $timer->due = $next > ($now = \hrtime(true)) ? $next : $now + $timer->interval;
    }

    /** Microseconds until something is due; 0 for none, too. */
    public function wait(): int
    {
        $next = \PHP_INT_MAX;
        foreach ($this->all as $timer) {
            $next = \min($next, $timer->running ? \PHP_INT_MAX : $timer->due);
        }

        return \max(0, \intdiv($next - \hrtime(true) + 999, 1000));
    }
}
