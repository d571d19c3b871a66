<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\Internal\Failure;
use WorkerHost\Log;

/** @internal Our own loop, over stream_select(). */
final class SelectReactor implements Reactor
{
    private int $last = 0;
    private bool $stopped = false;
    /** @var array<string, resource> */
    private array $reads = [];
    /** @var array<string, resource> */
    private array $writes = [];
    /** @var array<string, callable(): void> what belongs to these, and to timers */
    private array $then = [];
    /** @var \SplPriorityQueue<int, string> ids of timers, those that were cancelled included, by minus their time */
    private \SplPriorityQueue $timers;
    private int $pending = 0;
    /** Whose function waits for its stream by itself. */
    private string $waiting = '';
    /** @var list<\Closure(): void> */
    private array $queue = [];
    /** @var list<\Closure(): void> */
    private array $deferred = [];

    public function __construct()
    {
        $this->clear();
    }

    public static function make(): self
    {
        return new self();
    }

    public function delay(float $seconds, callable $then): string
    {
        if ($this->timers->count() > 1024 + 2 * $this->pending) {
            $this->sweep();
        }
        $id = 't' . ++$this->last;
        $this->then[$id] = $then;
        $this->timers->insert($id, -\hrtime(true) - (int) ($seconds * 1e9));
        $this->pending++;

        return $id;
    }

    public function readable($stream, callable $then, bool $waits = false): string
    {
        Descriptor::check($stream);
        $id = 'r' . ++$this->last;
        $this->reads[$id] = $stream;
        $this->then[$id] = $then;
        if ($waits) {
            $this->waiting = $id;
        }

        return $id;
    }

    public function writable($stream, callable $then): string
    {
        Descriptor::check($stream);
        $id = 'w' . ++$this->last;
        $this->writes[$id] = $stream;
        $this->then[$id] = $then;

        return $id;
    }

    public function queue(\Closure $then): void
    {
        $this->queue[] = $then;
    }

    public function defer(\Closure $then): void
    {
        $this->deferred[] = $then;
    }

    public function cancel(string $id): void
    {
        if (isset($this->then[$id])) {
            $this->pending -= $id[0] === 't' ? 1 : 0;
            unset($this->then[$id], $this->reads[$id], $this->writes[$id]);
        }
    }

    public function run(): void
    {
        $this->stopped = false;
        for (;;) {
            for ($i = 0; $this->queue !== [] && $i < 2; $i++) { // what is queued meanwhile must not keep out the rest
                [$queue, $this->queue] = [$this->queue, []];
                \array_map($this->call(...), $queue);
            }
            $this->expire();
            [$deferred, $this->deferred] = [$this->deferred, []];
            \array_map($this->call(...), $deferred);
            if ($this->stopped) {
                return;
            }
            $this->wait($this->queue === [] && $this->deferred === [] ? $this->pause() : 0);
        }
    }

    public function stop(): void
    {
        $this->stopped = true;
    }

    public function lends(): bool
    {
        return false;
    }

    /** @param callable(): void $then */
    private function call(callable $then): void
    {
        try {
            $then();
        } catch (\Throwable $e) {
            Log::error(Failure::summary($e), ['trace' => (string) $e]);
        }
    }

    private function expire(): void
    {
        if ($this->timers->isEmpty()) {
            return;
        }
        $now = -\hrtime(true);
        while (!$this->timers->isEmpty() && $this->timers->top()['priority'] >= $now) {
            $id = $this->timers->extract()['data'];
            if (isset($this->then[$id])) {
                $then = $this->then[$id];
                $this->cancel($id);
                $this->call($then);
            }
        }
    }

    /** Microseconds until the next timer; null: there is none. */
    private function pause(): ?int
    {
        while (!$this->timers->isEmpty()) {
            ['data' => $id, 'priority' => $time] = $this->timers->top();
            if (isset($this->then[$id])) {
                return \max(0, \intdiv(-$time - \hrtime(true) + 999, 1000));
            }
            $this->timers->extract();
        }

        return null;
    }

    private function wait(?int $microseconds): void
    {
        $read = $this->reads;
        $write = $this->writes;
        if ($read === [] && $write === []) {
            \usleep($microseconds ?? throw new \Error('A fiber waits for nothing that could come'));

            return;
        }
        if ($microseconds === null && $write === [] && \count($read) === 1 && isset($read[$this->waiting])) {
            $this->call($this->then[$this->waiting]); // which spares a system call for each request that comes alone

            return;
        }
        $except = null;
        \set_error_handler(static fn (): bool => true); // a signal cuts it short, with a warning
        try {
            $seconds = $microseconds === null ? null : \intdiv($microseconds, 1_000_000);
            $ready = \stream_select($read, $write, $except, $seconds, ($microseconds ?? 0) % 1_000_000);
        } catch (\TypeError) {
            $this->forgetClosed();

            return;
        } finally {
            \restore_error_handler();
        }
        if ($ready === false || $ready === 0) {
            return;
        }
        foreach ($read + $write as $id => $stream) {
            if (isset($this->then[$id])) {
                $this->call($this->then[$id]);
            }
        }
    }

    /** Who waits for a stream that was closed goes on, and finds it so. */
    private function forgetClosed(): void
    {
        foreach ($this->reads + $this->writes as $id => $stream) {
            if (!\is_resource($stream)) {
                unset($this->reads[$id], $this->writes[$id]);
                $this->queue[] = $this->then[$id];
            }
        }
    }

    /** Drops the timers that were cancelled. */
    private function sweep(): void
    {
        $all = clone $this->timers;
        $this->clear();
        foreach ($all as ['data' => $id, 'priority' => $time]) {
            if (isset($this->then[$id])) {
                $this->timers->insert($id, $time);
            }
        }
    }

    private function clear(): void
    {
        $this->timers = new \SplPriorityQueue();
        $this->timers->setExtractFlags(\SplPriorityQueue::EXTR_BOTH);
    }
}
