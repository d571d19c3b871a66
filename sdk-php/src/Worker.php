<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Backtrace;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Descriptors;
use WorkerHost\Internal\Events;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Link;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Pieces;
use WorkerHost\Internal\Printed;
use WorkerHost\Internal\Requests;
use WorkerHost\Internal\Session;
use WorkerHost\Internal\Superglobals;
use WorkerHost\Internal\Timers;

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

    /** @var list<callable(): mixed> */
    private array $starters = [];
    /** @var list<callable(): mixed> */
    private array $stoppers = [];
    /** @var callable(Request): mixed */
    private $handler = null;
    private bool $wantsGlobals = false;
    private bool $capture = false;

    private readonly Acts $acts;
    private readonly Connections $connections;
    private readonly Events $events;
    private ?Timers $timers = null;

    private Link $link;
    private ?Place $place = null;
    private ?Superglobals $globals = null;
    private int $window = Frame::WINDOW_SIZE;
    private bool $dev = false;
    /** Set while user code runs that exit() would cut off: between HELLO and READY, in a request, and in an event. */
    private bool $booting = false;
    private ?Requests $requests = null;
    /** @var list<mixed>|null the event at hand */
    private ?array $event = null;
    private int $pid = 0;
    /** Whether PHP took what was printed before run() for the end of the headers. */
    private bool $written = false;
    /** Given back when memory has run out, so that the client still gets an answer. */
    private ?string $reserve = null;

    private function __construct()
    {
        $this->acts = new Acts();
        $this->connections = new Connections($this->acts);
        $this->events = new Events($this->acts, $this->endChild(...));
    }

    public static function create(): self
    {
        return new self();
    }

    /**
     * A function to run once per process before it is ready: load code, connect, warm caches. What it throws is a failed boot: the host reports it, and
     * during a reload the old workers stay. Several run in the order given.
     *
     * @param callable(): mixed $function
     */
    public function onStart(callable $function): self
    {
        $this->starters[] = $function;

        return $this;
    }

    /**
     * What answers a request: with a Response, a string (HTML), an array (JSON), a PSR-7 response, or null (204 No Content).
     *
     * @param callable(Request): mixed $handler a function, or a Handler such as the bridges make
     */
    public function onRequest(callable $handler): self
    {
        $this->handler = $handler;

        return $this;
    }

    /**
     * What runs when a client connects, by WebSocket or TCP. It may return a Response to refuse the connection; otherwise the connection is open once it
     * has returned.
     *
     * With superglobals() they are filled from the request, so that $_COOKIE and PHP's sessions tell who comes.
     *
     * @param callable(Connection, ?Request): ?Response $handler the request is that of a WebSocket's upgrade; null for TCP
     */
    public function onOpen(callable $handler): self
    {
        $this->events->open = $handler;

        return $this;
    }

    /**
     * What runs for each message of a client: of a WebSocket, a TCP connection (as its framing cuts them), or a datagram. Those of one connection come one
     * after the other, in order, in whichever worker is free.
     *
     * What it sends, joins, sets and closes takes effect when it returns, and not at all if it throws; a throw is logged, and the connection stays.
     *
     * @param callable(Connection, string, bool): mixed $handler gets the connection, the message, and whether that is bytes (true) or UTF-8 text
     */
    public function onMessage(callable $handler): self
    {
        $this->events->message = $handler;

        return $this;
    }

    /**
     * What runs when a connection has ended, a held response included: always, and as its last event.
     *
     * @param callable(Connection, int, string, bool): mixed $handler gets the connection, the close code (as in RFC 6455, whatever the protocol), the reason, and
     *                                                             whether both ends took leave of each other
     */
    public function onClose(callable $handler): self
    {
        $this->events->close = $handler;

        return $this;
    }

    /**
     * What runs when a client takes what is sent to it more slowly than it comes, and when it has caught up: to send less for a while.
     *
     * @param callable(Connection, bool, int): mixed $handler gets the connection, whether over half of `send_buffer` waits (true) or
     *                                                     nothing does any more (false), and how many bytes wait
     */
    public function onBuffer(callable $handler): self
    {
        $this->events->buffer = $handler;

        return $this;
    }

    /**
     * A function to run again and again in each worker, between requests and events: first when the worker has been ready for that long. Ticks that could
     * not run in time are not made up for. It keeps no worker from ending. A throw is logged.
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
        ($this->timers ??= new Timers())->add($seconds, $tick);

        return $this;
    }

    /** All connections of the host: to send to, to close, to count. Works once the worker is ready: in any handler, in a timer, and in onStop(). */
    public function connections(): Connections
    {
        return $this->connections;
    }

    /**
     * Which pool this is a worker of, and of which generation of its code. Known from onStart() on.
     *
     * @throws \Error before run(): no host has said it yet
     */
    public function place(): Place
    {
        return $this->place ?? throw new \Error('place() is for handlers, from onStart() on: before run() no host has said it');
    }

    /**
     * A function to run before the process ends in good order: on a reload, and when the host stops. It does not run after exit() or a fatal error.
     *
     * @param callable(): mixed $function
     */
    public function onStop(callable $function): self
    {
        $this->stoppers[] = $function;

        return $this;
    }

    /**
     * Fills $_SERVER, $_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST and php://input for each request, for older code. A
     * request's body has come as a whole before the handler runs.
     *
     * @param bool $capture whether what the code prints is the body of the response, unless the handler returns one;
     *                      flush() sends it. Status and headers are then set through WorkerHost\Http\Output, because
     *                      header() can't be seen under PHP's command line.
     */
    public function superglobals(bool $capture = false): self
    {
        $this->wantsGlobals = true;
        $this->capture = $capture;

        return $this;
    }

    /**
     * Serves requests until the host says that it is enough; then returns. A script that ends there exits with status 0.
     *
     * Run without a host it says how to start one, and exits with status 64.
     */
    public function run(): void
    {
        if ($this->handler === null && $this->events->features() === [] && $this->timers === null) {
            throw new \Error('A worker needs onRequest(), onMessage(), or another handler before run()');
        }
        if ($this->reserve !== null) {
            throw new \Error('A worker runs once');
        }
        try {
            [$in, $out] = Descriptors::open() ?? $this->help();
            $this->link = new Link($in, $out, new Codec());
            unset($in, $out);
            $hello = $this->link->wait() ?? $this->help();
            $this->serve($hello);
        } catch (LinkError $e) {
            $this->booting = false;
            $this->requests?->abandon();
            $this->event = $this->timers = null;
            $this->stderr($e->getMessage());
            exit(1);
        }
    }

    private function help(): never
    {
        $this->stderr(\sprintf(self::HELP, $_SERVER['argv'][0] ?? 'worker.php'));
        exit(64);
    }

    private function stderr(string $text): void
    {
        \file_put_contents('php://stderr', \rtrim($text) . "\n");
    }

    /** @param list<mixed> $hello */
    private function serve(array $hello): void
    {
        $this->link->raw(Frame::MAGIC);
        if ($hello[0] !== Frame::HELLO) {
            throw new LinkError('HELLO as the first message', Internal\Message::name($hello[0]));
        }
        if (!\in_array(Frame::VERSION, $hello[2], true)) {
            $this->fail('no protocol version in common: the host speaks ' . \implode(', ', $hello[2]) . ', this SDK speaks ' . Frame::VERSION . '; update the older one', '');
        }
        $this->link->greet($hello);
        $this->window = $hello[7];
        $this->dev = $hello[9];
        $this->place = new Place($hello[3], $hello[4], $hello[5], $hello[8], $hello[9]);
        Log::attach($this->link);
        $this->events->attach($this->link);
        \set_time_limit(0);
        \ignore_user_abort(true);
        $shown = \strtolower((string) \ini_get('display_errors'));
        if (\ini_get('error_log') === '' && !\in_array($shown, ['', '0', 'off', 'no', 'false'], true)) {
            \ini_set('log_errors', '0'); // both ways lead to the host's log, where each warning would come twice
        }
        $this->written = \headers_sent();
        $this->reserve = \str_repeat("\0", 65536);
        $this->pid = (int) \getmypid();
        self::load();
        \register_shutdown_function($this->shutdown(...));
        Printed::begin();
        Backtrace::install($this->link);
        $this->boot();
        $this->loop();
        $this->stop();
        $this->acts->attach(null);
        Log::attach(null);
    }

    /** Loads the rest of the SDK, so that one that is moved or brought up to date below a running worker is never mixed with this one. */
    private static function load(): void
    {
        foreach (['', 'Http/', 'Internal/'] as $folder) {
            foreach (\glob(__DIR__ . "/$folder*.php") ?: [] as $file) {
                \class_exists('WorkerHost\\' . \strtr($folder, '/', '\\') . \basename($file, '.php'));
            }
        }
    }

    private function boot(): void
    {
        $this->booting = true;
        try {
            foreach ($this->starters as $function) {
                $function();
            }
            if ($this->handler instanceof Handler) {
                $this->handler->start();
            }
        } catch (\Throwable $e) {
            $this->booting = false;
            $this->fail(Failure::summary($e), (string) $e);
        }
        $this->booting = false;
        if ($this->wantsGlobals) {
            $this->globals = new Superglobals();
            $this->globals->restore();
        }
        $sdk = 'php/' . self::VERSION . ' (PHP ' . \PHP_VERSION . ')';
        $features = ['forms', 'ahead', 'deadline', Pieces::FEATURE, ...$this->events->features()];
        if ($this->wantsGlobals || $this->handler instanceof Handler) {
            $features[] = 'local'; // for SERVER_ADDR
        }
        if (Backtrace::answers()) {
            $features[] = Backtrace::FEATURE;
        }
        $this->link->send([Frame::READY, 0, Frame::VERSION, $this->pid, $sdk, 1, $features, Frame::WINDOW_SIZE]);
        $this->acts->attach($this->link);
    }

    private function fail(string $message, string $trace): never
    {
        $this->link->send([Frame::FAILED, 0, $message, \substr($trace, 0, 65536)]);
        exit(1);
    }

    private function loop(): void
    {
        $link = $this->link;
        $this->flush(); // what onStart left
        $requests = $this->requests = new Requests(
            $link, $this->acts, $this->handler, $this->capture, $this->window, $this->dev, $this->endChild(...), $this->flush(...),
        );
        $this->timers?->begin();
        while (!$link->draining) {
            if ($this->timers !== null && !$this->pace($this->timers)) {
                continue;
            }
            if (($message = $link->next()) === null) {
                break;
            }
            if (Frame::opens($message[0]) && $link->recalled($message[1])) {
                continue;
            }
            if ($message[0] >= Frame::OPEN && $message[0] <= Frame::BUFFER) {
                $this->happen($message);
            } elseif ($message[0] === Frame::REQUEST) {
                Log::stream($message[1]);
                $requests->answer($message, $this->globals);
                $this->settle();
                $this->flush(); // what a generator left
            } elseif ($message[0] === Frame::HELLO) {
                throw new LinkError('HELLO once', 'it again');
            }
            // All else belongs to streams that are done: late, and of no interest.
        }
        while ($link->draining && ($message = $link->held() ?? $link->poll()) !== null) {
            if (Frame::opens($message[0])) {
                $link->send([Frame::RESET, $message[1], Frame::CODE_REFUSED, 'this worker is draining']);
                $link->send([Frame::DONE, $message[1]]);
            }
        }
    }

    /** Runs the timers that are due, and waits for the next of them or for a message; whether there is one. */
    private function pace(Timers $timers): bool
    {
        if ($timers->run()) {
            $this->endChild();
            $this->flush();
            $this->endSession();
        }

        return !$this->link->draining && $this->link->await($timers->wait());
    }

    /** An event of a connection, from its frame to its DONE. @param list<mixed> $message */
    private function happen(array $message): void
    {
        $this->event = $message;
        Log::stream($message[1]);
        $this->events->handle($message, $this->globals);
        $this->flush(); // before DONE, so that the host knows whose it is
        $this->event = null;
        $this->events->finish();
        $this->settle();
    }

    /** After DONE: nothing of this request or event is left for the next one. */
    private function settle(): void
    {
        $this->endSession();
        $this->globals?->restore();
        Log::stream(0);
    }

    private function endSession(): void
    {
        try {
            $forgotten = Session::end();
        } catch (\Throwable $e) {
            Log::error('the session was not written: ' . Failure::summary($e), ['trace' => (string) $e]);
            $forgotten = \session_id() === '';
        }
        if (!$forgotten || !$this->written && \headers_sent()) {
            Log::warn('this worker ends: the code has ended an output buffer that was not its own and printed past it, after '
                . 'which PHP takes no headers (each header() would be warned of) and forgets no session');
            $this->link->draining = true;
        }
    }

    /** A child that was forked in the handler and came back from it would read this worker's requests, and answer them. */
    private function endChild(): void
    {
        if (\getmypid() !== $this->pid) {
            $this->stderr('A child that was forked in the handler has come back from it, and ends here; end it with exit()');
            exit(1);
        }
    }

    /** What was left in an output buffer goes to the log. */
    private function flush(): void
    {
        try {
            Printed::settle();
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $what = 'an output buffer was left, and its callback failed: ';
            Log::error($what . Failure::summary($e), ['trace' => (string) $e]);
        }
        if (Printed::stuck() && !$this->link->draining) {
            Log::warn('this worker ends: the code has left an output buffer that can not be ended, '
                . 'which keeps all that is printed from now on');
            $this->link->draining = true;
        }
    }

    private function stop(): void
    {
        try {
            if ($this->handler instanceof Handler) {
                $this->handler->stop();
            }
            foreach ($this->stoppers as $function) {
                $function();
            }
        } catch (\Throwable $e) {
            Log::error('onStop: ' . Failure::summary($e), ['trace' => (string) $e]);
        }
    }

    /**
     * Runs at PHP's shutdown. Where code was cut off by exit() or a fatal error it still gives the host its answer, so that nobody tries the request
     * again. Of an event it says nothing: the host takes it for a death, and has another worker handle it once more (SPEC.md §9.8).
     *
     * @param bool $last whether this is the very end. Where what the code prints is the body, exit() is a way to end it,
     *                   and what shutdown functions and destructors print is part of it
     */
    private function shutdown(bool $last = false): void
    {
        $ticking = $this->timers?->ticking === true;
        $request = $this->requests?->request;
        if (!$this->booting && $request === null && $this->event === null && !$ticking || \getmypid() !== $this->pid) {
            return; // nothing is cut off, or this is a child that was forked
        }
        $this->reserve = null;
        if (\ini_get('memory_limit') !== '-1') {
            \ini_set('memory_limit', (string) (\memory_get_usage(true) + 16777216));
        }
        $error = \error_get_last();
        $fatal = $error !== null && ($error['type'] & (\E_ERROR | \E_PARSE | \E_CORE_ERROR | \E_COMPILE_ERROR | \E_USER_ERROR)) !== 0;
        $what = $fatal ? "{$error['message']} in {$error['file']}:{$error['line']}" : 'the code called exit()';
        if ($this->booting) {
            $this->link->send([Frame::FAILED, 0, $fatal ? $what : "$what before the worker was ready", '']);

            return;
        }
        $exited = !$fatal && $this->requests?->prints() === true;
        if ($exited && !$last && Printed::atEnd(fn () => $this->shutdown(true))) {
            return;
        }
        Printed::release();
        [$event, $this->event] = [$this->event, null];
        $connection = $event === null ? [] : $event[$event[0] === Frame::MESSAGE ? 3 : 2];
        Log::error(
            $fatal ? "this worker ends: $what" : "this worker ends: $what, which ends the whole process; return from the handler instead",
            match (true) {
                $request !== null => ['method' => $request->method, 'target' => $request->target],
                $event !== null => ['event' => Internal\Message::name($event[0]), 'connection' => $connection[0], 'remote' => $connection[2]],
                default => ['in' => 'every()'],
            },
        );
        if ($exited && $last) {
            $this->requests->exited();
        } elseif ($request !== null) {
            $this->requests->cutOff($what);
        }
        try {
            $this->link->refuse('this worker ends');
        } catch (LinkError) {
            // The host knows, or is gone.
        }
    }
}
