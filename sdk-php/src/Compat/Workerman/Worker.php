<?php

declare(strict_types=1);

namespace Workerman;

use WorkerHost\Compat\Program;
use WorkerHost\Log;

/**
 * Workerman's Worker: what a program says of one kind of process. The host makes a pool of it, and a listener where it
 * has an address.
 */
#[\AllowDynamicProperties]
class Worker
{
    public const VERSION = '5.2.2';
    public const STATUS_INITIAL = 0;
    public const STATUS_STARTING = 1;
    public const STATUS_RUNNING = 2;
    public const STATUS_SHUTDOWN = 4;
    public const STATUS_RELOADING = 8;

    /** Which of the pool's workers this is, from 0; known from onWorkerStart on. */
    public int $id = 0;
    public string $name = 'none';
    public int $count = 1;
    public string $user = '';
    public string $group = '';
    public bool $reloadable = true;
    public bool $reusePort = false;
    /** @var callable|null */
    public $onWorkerStart = null;
    /** @var callable|null */
    public $onConnect = null;
    /** @var callable|null */
    public $onWebSocketConnect = null;
    /** @var callable|null */
    public $onWebSocketConnected = null;
    /** @var callable|null */
    public $onMessage = null;
    /** @var callable|null */
    public $onClose = null;
    /** Never called: what is sent to a client who has left is nobody's error. @var callable|null */
    public $onError = null;
    /** @var callable|null */
    public $onBufferFull = null;
    /** @var callable|null */
    public $onBufferDrain = null;
    /** @var callable|null */
    public $onWorkerStop = null;
    /** Of no effect: a reload starts new processes. @var callable|null */
    public $onWorkerReload = null;
    public string $transport = 'tcp';
    public ?string $protocol = null;
    public ?string $eventLoop = null;
    public bool $stopping = false;

    public static bool $daemonize = false;
    public static string $stdoutFile = '/dev/null';
    public static string $pidFile = '';
    public static string $statusFile = '';
    public static string $logFile = '';
    public static int $logFileMaxSize = 10_485_760;
    /** @var callable|null */
    public static $onMasterReload = null;
    /** @var callable|null */
    public static $onMasterStop = null;
    /** @var callable|null */
    public static $onWorkerExit = null;
    public static ?string $eventLoopClass = null;
    public static mixed $globalEvent = null;
    public static int $stopTimeout = 2;
    public static string $command = '';

    /** What one of these has by itself, for __get(). */
    private const MADE = ['connections'];

    /**
     * @param string|null          $socketName    such as `websocket://0.0.0.0:2346`; null for a worker without clients
     * @param array<string, mixed> $socketContext of which `ssl` has local_cert and local_pk
     */
    public function __construct(private readonly ?string $socketName = null,
        private readonly array $socketContext = [])
    {
        Program::add($this);
    }

    /** Serves what this process was started for; returns never. */
    public static function runAll(): void
    {
        Program::run();
    }

    /** @return array<string, Worker> */
    public static function getAllWorkers(): array
    {
        return Program::workers();
    }

    /** There is none: @throws \Error */
    public static function getEventLoop(): never
    {
        throw new \Error('Worker::getEventLoop() is not there under this host, whose workers have no event loop for '
            . 'sockets of their own: use Timer::add() for time, and clients that may wait for all else');
    }

    /** Ends this process when what is at hand is done, and the host starts another one. `host stop` stops them all. */
    public static function stopAll(int $code = 0, mixed $log = ''): void
    {
        if ($code !== 0 && (string) $log !== '') {
            Log::error((string) $log);
        }
        Program::retire();
    }

    /** Whether the program runs, rather than being read. */
    public static function isRunning(): bool
    {
        return Program::isServing();
    }

    public static function getGracefulStop(): bool
    {
        return true;
    }

    public static function getStatus(): int
    {
        return Program::isServing() ? self::STATUS_RUNNING : self::STATUS_STARTING;
    }

    /** To the host's log. */
    public static function log(\Stringable|string $msg, bool $decorated = false): void
    {
        Log::info((string) $msg);
    }

    /** Likewise. */
    public static function safeEcho(string $msg, bool $decorated = false): void
    {
        echo $msg;
    }

    public function getSocketName(): string
    {
        return $this->socketName === null ? 'none' : \lcfirst($this->socketName);
    }

    /** @internal @return array<string, mixed> */
    public function socketContext(): array
    {
        return $this->socketContext;
    }

    /** A listener is the host's, and opened before any worker runs: @throws \Error */
    public function listen(bool $autoAccept = true): void
    {
        throw new \Error('Worker::listen() is not there under this host, which opens all listeners before a worker '
            . "starts: make the Worker for {$this->getSocketName()} before Worker::runAll()");
    }

    /** @throws \Error */
    public function unlisten(): void
    {
        throw new \Error('Worker::unlisten() is not there under this host: listeners are the host\'s');
    }

    /** @throws \Error */
    public function stop(bool $force = true): void
    {
        throw new \Error('Worker::stop() is not there under this host: Worker::stopAll() ends this process, and '
            . '`host stop` all of them');
    }

    /** What else Workerman has, and this host has not: @throws \Error @param list<mixed> $arguments */
    public function __call(string $name, array $arguments): never
    {
        throw new \Error("Worker->$name() is not there under this host");
    }

    /** @throws \Error @param list<mixed> $arguments */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw new \Error("Worker::$name() is not there under this host");
    }

    /** What the program runs where it starts one worker by itself, as old ones do. */
    public function run(): void
    {
    }

    /** $connections: those of this worker and of its like, by id, as they are now. */
    public function __get(string $name): mixed
    {
        if ($name === 'connections') {
            return Program::connectionsOf($this);
        }
        \trigger_error("Undefined property: Workerman\\Worker::\$$name", \E_USER_WARNING);

        return null;
    }

    public function __isset(string $name): bool
    {
        return \in_array($name, self::MADE, true);
    }
}
