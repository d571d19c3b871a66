<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use WorkerHost\Connections;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Loop;
use WorkerHost\Internal\Requests;
use WorkerHost\Timer;

/**
 * @internal The responses that the host holds for this process, which alone writes to them: they end with it. Whatever
 * process of the pool comes next ends those of one that has died without a word.
 */
final class Streams
{
    /** How often the host is asked which of them are there still, in seconds. */
    public const INTERVAL = 1.0;
    private const GOING_AWAY = 1001;
    /** What of a held response's session says which process writes to it. */
    private const PROCESS = 'wm.process';

    /** The group of all that are held for the pool, and of those that are for this process. */
    private readonly string $all;
    private readonly string $mine;
    /** @var array<string, Held> by name, which is a group of it alone */
    private array $open = [];
    private int $last = 0;
    private ?Timer $watch = null;

    public function __construct(private readonly Connections $connections, private readonly Loop $loop, string $pool)
    {
        $this->all = "wm:streams:$pool";
        $this->mine = "$this->all:" . \bin2hex(\random_bytes(8));
    }

    public function requests(): Requests
    {
        return $this->loop->requests();
    }

    /** Begins one, whose head the client gets at once. @throws \WorkerHost\RequestCancelled if it has left */
    public function begin(HttpConnection $connection, Response $head): Held
    {
        $name = "$this->mine:" . ++$this->last;
        [$status, $pairs] = $head->parts();
        $headers = [];
        foreach (\array_chunk($pairs, 2) as [$key, $value]) {
            $headers[$key][] = $value;
        }
        $held = new Held($this, $name, $connection, Response::hold(groups: [$this->all, $this->mine, $name],
            session: [self::PROCESS => \getmypid()], status: $status, headers: $headers));
        $held->write('');
        $this->open[$name] = $held;
        $this->watch ??= Program::later(self::INTERVAL, $this->look(...), true);

        return $held;
    }

    public function write(string $name, string $bytes): void
    {
        $this->connections->sendToGroup($name, $bytes, binary: true);
    }

    public function end(string $name): void
    {
        $this->connections->closeGroup($name);
    }

    public function has(string $name): bool
    {
        return $this->connections->count($name) > 0;
    }

    /** Tells the program of those whose clients have left. */
    private function look(): void
    {
        if ($this->open !== [] && $this->connections->count($this->mine) !== \count($this->open)) {
            $there = [];
            foreach ($this->connections->all($this->mine) as $connection) {
                $there += \array_flip($connection->groups);
            }
            $gone = \array_diff_key($this->open, $there);
            $this->open = \array_diff_key($this->open, $gone);
            foreach ($gone as $held) {
                $held->connection->gone();
            }
        }
        if ($this->open === []) {
            $this->watch?->cancel();
            $this->watch = null;
        }
    }

    /** Ends those of processes that are no more. */
    public function sweep(): void
    {
        if ($this->connections->count($this->all) === 0) {
            return;
        }
        foreach ($this->connections->all($this->all) as $id => $connection) {
            if (!self::lives((int) ($connection->session[self::PROCESS] ?? 0))) {
                $this->connections->close($id, self::GOING_AWAY);
            }
        }
    }

    private static function lives(int $process): bool
    {
        return \function_exists('posix_kill') ? \posix_kill($process, 0) || \posix_get_last_error() === 1 // EPERM
            : !\is_dir('/proc/self') || \is_dir("/proc/$process");
    }

    /** This process ends, and with it what it writes to. */
    public function stop(): void
    {
        if ($this->open !== []) {
            $this->connections->closeGroup($this->mine, self::GOING_AWAY);
        }
    }
}
