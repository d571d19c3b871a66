<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Connection\ConnectionInterface;
use Workerman\Connection\TcpConnection;
use Workerman\Worker;
use WorkerHost\Connections;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Loop;
use WorkerHost\Internal\Process;
use WorkerHost\Internal\Timers;
use WorkerHost\Timer;

/**
 * @internal A program that was written for Workerman: its Workers, of which this process is one. It is read up to
 * Worker::runAll(), either to say which Workers there are (Declaration) or to be one of them.
 */
final class Program
{
    /** Says which of the Workers this process is. */
    private const WHICH = 'WORKERHOST_WORKERMAN';

    /** @var list<Worker> */
    private static array $workers = [];
    private static ?\WorkerHost\Internal\Program $program = null;
    private static ?Loop $loop = null;
    private static ?Connections $connections = null;
    private static ?Dispatch $dispatch = null;
    private static bool $running = false;

    /** Before the script: takes the host's HELLO, so that what the script prints goes to the log. */
    public static function start(): void
    {
        self::arguments('start', '-d');
        if (Declaration::isAskedFor()) {
            return;
        }
        $program = self::$program = new \WorkerHost\Internal\Program();
        $program->unready = 'the script ended before it called Worker::runAll()';
        self::$connections = new Connections($program->acts);
        try {
            $sdk = 'php/' . \WorkerHost\Worker::VERSION . ' (PHP ' . \PHP_VERSION . ", Workerman's classes)";
            self::$loop = Loop::connect($program, $sdk) ?? throw new LinkError('a host at the other end', 'none');
        } catch (LinkError $e) {
            Process::complain($e->getMessage());
            exit(1);
        }
        if ($program->place->dev) {
            self::arguments('start');
        }
    }

    /** What the script is started with, as by `php start.php start -d`; webman, for one, looks for the -d. */
    private static function arguments(string ...$words): void
    {
        $_SERVER['argv'] = $GLOBALS['argv'] = [$_SERVER['argv'][0], ...$words];
        $_SERVER['argc'] = $GLOBALS['argc'] = \count($_SERVER['argv']);
    }

    public static function add(Worker $worker): void
    {
        if (self::$running) {
            throw new \Error('new Worker() after Worker::runAll() is not there under this host, which opens all '
                . 'listeners before a worker starts: make it before');
        }
        self::$workers[] = $worker;
    }

    /** @return array<string, Worker> */
    public static function workers(): array
    {
        $all = [];
        foreach (self::$workers as $worker) {
            $all[\spl_object_hash($worker)] = $worker;
        }

        return $all;
    }

    /** Worker::runAll(). */
    public static function run(): never
    {
        $units = Unit::of(self::$workers);
        if (self::$program === null) {
            Declaration::make($units);
            exit(0);
        }
        $name = (string) \getenv(self::WHICH);
        $unit = $units[$name] ?? (\count($units) === 1 && $name === '' ? \reset($units) : null);
        if ($unit === null) {
            throw new \Error("The program has no Worker named $name any more: restart the host, which makes its pools "
                . 'of the Workers that it finds when it starts');
        }
        $loop = self::$loop;
        self::$dispatch = new Dispatch($unit, self::$loop, self::$connections, self::$program->place->pool);
        self::$dispatch->install(self::$program);
        self::$running = true;
        try {
            $loop->run();
        } catch (LinkError $e) {
            $loop->abandon();
            Process::complain($e->getMessage());
            exit(1);
        }
        exit(0);
    }

    /** Worker::stopAll(). */
    public static function retire(): void
    {
        if (self::$program?->acts->isAttached() !== true) {
            throw new \Error('Worker::stopAll() is for a process that is ready: not before Worker::runAll(), and not '
                . 'in onWorkerStart, which may throw');
        }
        self::$loop->retire();
    }

    /** Whether the Workers run. */
    public static function isServing(): bool
    {
        return self::$running;
    }

    public static function later(float $seconds, callable $function, bool $again): Timer
    {
        if (self::$program === null) {
            return new Timer($function(...), 0, $again, 0); // the program is only being read
        }
        self::$program->timers ??= new Timers();

        return self::$program->timers->add(\max($again ? 0.001 : 0.0, $seconds), $function, $again);
    }

    public static function connections(): Connections
    {
        return self::$connections ?? throw new \Error('Clients can be reached from Worker::runAll() on');
    }

    /** @return array<string, TcpConnection> */
    public static function connectionsOf(Worker $worker): array
    {
        return self::$dispatch?->of($worker) ?? [];
    }

    public static function listenerOf(ConnectionInterface $connection): Listener
    {
        return self::dispatch()->listenerOf($connection->client());
    }

    /** A connection whose state the program has looked at: what it sets is kept when the event is over. */
    public static function touched(TcpConnection $connection): void
    {
        self::$dispatch?->touched($connection);
    }

    private static function dispatch(): Dispatch
    {
        return self::$dispatch ?? throw new \Error('Clients can be reached from Worker::runAll() on');
    }
}
