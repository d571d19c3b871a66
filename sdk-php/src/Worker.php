<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Loop;
use WorkerHost\Internal\Process;
use WorkerHost\Internal\Program;
use WorkerHost\Internal\Upgrade;
use WorkerHost\Internal\WebCode;

/**
 * A worker: a process that the host starts, that loads its code once and then answers one request after another,
 * and one event of a connection after another.
 *
 *     Worker::create()
 *         ->onStart(function (): void { … once, before the worker is ready … })
 *         ->onRequest(fn (Request $request): Response => Response::text('Hello, World!'))
 *         ->onStop(function (): void { … before exit … })
 *         ->run();
 */
final class Worker
{
    public const VERSION = '0.1.0';

    private const HELP = <<<'TEXT'
        This is a worker for the workerhost host. It has no port of its own: the host starts it, and hands it requests.

            host serve %s

        then opens it on http://127.0.0.1:8080/.

        TEXT;

    private readonly Program $program;
    private readonly Connections $connections;
    private readonly Tasks $tasks;
    private readonly Cache $cache;
    private bool $runs = false;

    private function __construct()
    {
        $this->program = new Program();
        $this->connections = new Connections($this->program->acts);
        $this->tasks = new Tasks($this->program->acts);
        $this->cache = new Cache($this->program->acts);
    }

    /** A worker that handles nothing yet: the on…() methods say what it does, run() serves. */
    public static function create(): self
    {
        return new self();
    }

    /**
     * A function to run once per process before it is ready: load code, connect, warm caches. What it throws is a
     * failed boot: the host reports it, and during a reload the old workers stay. Several run in the order given.
     *
     * @param callable(): mixed $function
     */
    public function onStart(callable $function): self
    {
        $this->program->starters[] = $function;

        return $this;
    }

    /**
     * A function to run once in each worker, after those given to onStart(), right before it is ready. With `fork =
     * true` those run in the template, and these in each worker that is forked from it: connections to databases, and
     * whatever else two processes can't share, are opened here. What it throws is a failed boot of that worker.
     *
     * @param callable(): mixed $function
     */
    public function onFork(callable $function): self
    {
        $this->program->beginners[] = $function;

        return $this;
    }

    /**
     * How many requests and events this worker handles at once, each in a Fiber of its own: one that waits, in Async,
     * for its body, for its client, or in a client library of amphp or ReactPHP, lets the others run. What blocks all
     * the same, such as sleep() or a query with PDO, holds up all of them.
     *
     * It is for code that keeps nothing of a request in globals, static properties or services: run() fails with
     * superglobals(), and with the bridges to frameworks.
     *
     * @param int $most 1 to 10000; 1, as it is without this, handles one after the other
     *
     * @throws \ValueError
     */
    public function concurrency(int $most): self
    {
        if ($most < 1 || $most > 10000) {
            throw new \ValueError("concurrency() takes 1 to 10000, not $most");
        }
        $this->program->concurrency = $most;

        return $this;
    }

    /**
     * What answers a request: with a Response, a string (HTML), an array (JSON), a PSR-7 response, or null (204 No
     * Content).
     *
     * @param callable(Request): mixed $handler a function, or a Handler such as the bridges make
     */
    public function onRequest(callable $handler): self
    {
        $this->program->handler = $handler;
        if ($handler instanceof WebCode) {
            $this->program->capture();
        }

        return $this;
    }

    /**
     * What runs when a client connects, by WebSocket or TCP, or a server that the host has dialed is there. It may
     * return a Response to refuse the connection; otherwise the connection is open once it has returned.
     *
     * With superglobals() they are filled from the request, so that $_COOKIE and PHP's sessions tell who comes.
     *
     * @param callable(Connection, ?Request): ?Response $handler the request is that of a WebSocket's upgrade; null for
     *     TCP, and where the host has dialed
     */
    public function onOpen(callable $handler): self
    {
        $this->program->events->open = $handler;

        return $this;
    }

    /**
     * What runs for each message of a client: of a WebSocket, a TCP connection (as its framing cuts them), or a
     * datagram; and of a server that the host has dialed. Those of one connection come one after the other, in order,
     * in whichever worker is free.
     *
     * What it sends, joins, sets and closes takes effect when it returns, and not at all if it throws; a throw is
     * logged, and the connection stays.
     *
     * @param callable(Connection, string, bool, array<string, string>): mixed $handler gets the connection, the
     *     message, whether that is bytes (true) or UTF-8 text, and what came beside it: of a server-sent event its
     *     type as `event`, if it names one, and the last event id as `id`, if there is one
     */
    public function onMessage(callable $handler): self
    {
        $this->program->events->message = $handler;

        return $this;
    }

    /**
     * What runs when a connection has ended, a held response included: always, and as its last event.
     *
     * @param callable(Connection, int, string, bool): mixed $handler gets the connection, the close code (as in RFC
     *     6455, whatever the protocol), the reason, and
     *                                                             whether both ends took leave of each other
     */
    public function onClose(callable $handler): self
    {
        $this->program->events->close = $handler;

        return $this;
    }

    /**
     * What runs when a client takes what is sent to it more slowly than it comes, and when it has caught up: to send
     * less for a while.
     *
     * @param callable(Connection, bool, int): mixed $handler gets the connection, whether over half of `send_buffer`
     *     waits (true) or
     *                                                     nothing does any more (false), and how many bytes wait
     */
    public function onBuffer(callable $handler): self
    {
        $this->program->events->buffer = $handler;

        return $this;
    }

    /**
     * What runs when a request that the host has made for Response::fetch() is over, however that went: in any worker
     * of the pool, whichever asked for it. At least once for each as long as the host lives: a second time, with
     * attempt 2, if the worker died. So what is billed or stored goes by its id.
     *
     * What it sends, joins and closes takes effect when it returns; a throw is logged, and it is not called again.
     *
     * @param callable(Fetched): mixed $handler
     */
    public function onFetched(callable $handler): self
    {
        $this->program->events->fetched = $handler;

        return $this;
    }

    /**
     * What answers a client whose Response::fetch() has failed before anything of the answer came, in place of a plain
     * 502 or 504: another response than a fetch. It gets the client's request without its body. What the other end
     * answers, an error too, is no failure.
     *
     * @param callable(Request, string): mixed $handler gets the request, and why, for a person to read; it returns
     *     what onRequest() may
     */
    public function onFetchFailed(callable $handler): self
    {
        $this->program->fetchFailed = $handler;

        return $this;
    }

    /**
     * What runs a task of a queue, which tasks() has pushed: in whichever worker of the queue's pool is free.
     *
     * What it pushes and sends takes effect when it returns, and the task is done then. A throw is a failed attempt:
     * nothing of it takes effect, and the task comes again, after a pause that grows, until it has had as many
     * attempts as its queue gives it; then it lies with the failed ones, with the exception. What it returns is for
     * whoever waits by pushAndWait().
     *
     * @param string $queue of host.toml
     * @param callable(Task): mixed $handler
     */
    public function onTask(string $queue, callable $handler): self
    {
        $this->program->events->tasks[$queue] = $handler;

        return $this;
    }

    /**
     * Has the sessions that this code writes be of a version, and takes those that older code has written: before the
     * first event that new code handles of a connection, its session goes through the function. What that returns is
     * what handlers find, and is kept with what they do. It may run again, since nothing is kept if they throw, and
     * for copies (Connections::session() and its like), so it should do nothing but return.
     *
     * A throw is logged, and the event comes to nothing as if its handler had thrown; the connection stays, and its
     * session as it was. Sessions that are empty, and those of this version or a newer one, are left alone.
     *
     * @param int $version 1 or more, and more whenever what sessions hold changes
     * @param callable(array<array-key, mixed>, int): array<array-key, mixed> $upgrade gets the session and the version
     *     of the code that wrote it, 0 where that declared none; returns the session as it is to be
     *
     * @throws \ValueError
     */
    public function onUpgrade(int $version, callable $upgrade): self
    {
        if ($version < 1) {
            throw new \ValueError("A version of sessions is 1 or more, not $version");
        }
        Upgrade::declare($version, $upgrade);

        return $this;
    }

    /**
     * A function to run again and again in each worker, between requests and events: first when the worker has been
     * ready for that long. Ticks that could not run in time are not made up for. It keeps no worker from ending. A
     * throw is logged.
     *
     * @param float             $seconds at least 0.001
     * @param callable(): mixed $tick
     *
     * @throws \ValueError
     */
    public function every(float $seconds, callable $tick): self
    {
        if (!($seconds >= 0.001 && $seconds <= 1e9)) {
            throw new \ValueError("every() takes 0.001 seconds or more, not $seconds");
        }
        $this->program->timer($seconds, $tick, true);

        return $this;
    }

    /**
     * A function to run once, in this worker, between requests and events; from a handler, a timer, or before run(),
     * where the time begins when the worker is ready. It keeps no worker from ending: one that ends first does not run
     * it. A throw is logged.
     *
     * @param float             $seconds 0 or more
     * @param callable(): mixed $function
     *
     * @return Timer to cancel it by
     *
     * @throws \ValueError
     */
    public function after(float $seconds, callable $function): Timer
    {
        if (!($seconds >= 0 && $seconds <= 1e9)) {
            throw new \ValueError("after() takes 0 seconds or more, not $seconds");
        }

        return $this->program->timer($seconds, $function, false);
    }

    /**
     * All connections of the host: to send to, to close, to count. Works once the worker is ready: in any handler, in
     * a timer, and in onStop().
     */
    public function connections(): Connections
    {
        return $this->connections;
    }

    /** Work that is no request: to push it. Works as connections() does. */
    public function tasks(): Tasks
    {
        return $this->tasks;
    }

    /** Answers that the host has stored: to purge them. Works as connections() does. */
    public function cache(): Cache
    {
        return $this->cache;
    }

    /**
     * Values that the host keeps for all workers, by a name that they share: caches, counters, flags. Nobody has to
     * declare it; what must not get lost, host.toml says by `[store.NAME]` (`host help store`). Works where
     * connections() does.
     *
     * @param string $name 1 to 64 letters, digits, `-`, `_` and `.`
     */
    public function store(string $name = 'default'): Store
    {
        return new Store($this->program->acts, $name);
    }

    /**
     * Acquires a lock that only one worker of the realm has at a time, on whichever host. It is released with the
     * handler, or the tick of a timer, that has acquired it, and with the worker. With concurrency() above 1 a timer
     * releases it by itself.
     *
     * @param string $name    1 to 1024 bytes
     * @param float  $ttl     seconds that it is held at most, above 0, rounded up to whole ones
     * @param float  $wait    seconds to wait for it if another one has it; those who wait have it in their order
     * @param bool   $keep    whether it stays when the handler ends, and the worker: until release() or its time is up
     * @param bool   $durable whether it is on disk before this returns, and outlives the host. In memory it is faster,
     *     ends with the host, and is another lock than the durable one of that name
     *
     * @return Lock|null null: another one has it still
     *
     * @throws CallFailed
     */
    public function lock(string $name, float $ttl = 30, float $wait = 0, bool $keep = false,
        bool $durable = true): ?Lock
    {
        return Lock::acquire($this->program->acts, $name, $ttl, $wait, $durable ? 'disk' : 'memory', $keep);
    }

    /**
     * Which pool this is a worker of, and of which generation of its code. Known from onStart() on.
     *
     * @throws \Error before run(): no host has said it yet
     */
    public function place(): Place
    {
        return $this->program->place ?? throw new \Error(
            'place() is for handlers, from onStart() on: before run() no host has said it');
    }

    /**
     * A function to run before the process ends in good order: on a reload, and when the host stops. It does not run
     * after exit() or a fatal error.
     *
     * @param callable(): mixed $function
     */
    public function onStop(callable $function): self
    {
        $this->program->stoppers[] = $function;

        return $this;
    }

    /**
     * Fills $_SERVER, $_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST and php://input for each request, for older code. A
     * request's body has come as a whole before the handler runs.
     *
     * @param bool $capture whether what the code prints is the body of the response, or comes before the body of the
     *                      one that the handler returns; flush() sends it. header(), cookies and sessions are heard,
     *                      as WorkerHost\Http\Output is. The bridges to frameworks have it so
     */
    public function superglobals(bool $capture = false): self
    {
        $this->program->wantsGlobals = $this->program->wantsInput = true;
        if ($capture) {
            $this->program->capture();
        }

        return $this;
    }

    /**
     * Serves requests until the host says that it is enough; then returns. A script that ends there exits with status
     * 0. In a worker that was forked it does not return: the process ends, without the template's shutdown functions
     * and destructors. onStop() is for what is to be done at the end, either way.
     *
     * Run without a host it says how to start one, and exits with status 64.
     */
    public function run(): void
    {
        if ($this->program->isEmpty()) {
            throw new \Error('A worker needs onRequest(), onMessage(), or another handler before run()');
        }
        if ($this->runs) {
            throw new \Error('A worker runs once');
        }
        $loop = null;
        try {
            $sdk = 'php/' . self::VERSION . ' (PHP ' . \PHP_VERSION . ')';
            $loop = Loop::connect($this->program, $sdk) ?? $this->help();
            $this->runs = true;
            $loop->run();
        } catch (LinkError $e) {
            $loop?->abandon();
            Process::complain($e->getMessage());
            exit(1);
        }
    }

    private function help(): never
    {
        Process::complain(\sprintf(self::HELP, $_SERVER['argv'][0] ?? 'worker.php'));
        exit(64);
    }
}
