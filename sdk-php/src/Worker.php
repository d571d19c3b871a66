<?php

declare(strict_types=1);

namespace WorkerHost;

use Psr\Http\Message\ResponseInterface;
use WorkerHost\Bridge\Psr7;
use WorkerHost\Http\Output;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Backtrace;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Descriptors;
use WorkerHost\Internal\Exchange;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Link;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Sender;
use WorkerHost\Internal\Session;
use WorkerHost\Internal\Superglobals;

/**
 * A worker: a process that the host starts, that loads its code once and then answers one request after another.
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

    private Link $link;
    private ?Superglobals $globals = null;
    private int $window = Frame::WINDOW_SIZE;
    private bool $dev = false;
    /** Set while user code runs that exit() would cut off: between HELLO and READY, and in a request. */
    private bool $booting = false;
    private ?Exchange $exchange = null;
    private int $pid = 0;
    /** How many output buffers there are when no request is. */
    private int $level = 0;
    private ?Request $request = null;
    /** Given back when memory has run out, so that the client still gets an answer. */
    private ?string $reserve = null;

    private function __construct()
    {
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
     * Fills $_SERVER, $_GET, $_POST, $_COOKIE, $_FILES and $_REQUEST for each request, for older code.
     *
     * @param bool $capture whether what the code echoes is the body of the response, unless the handler returns one. Status and headers are
     *                      then set through WorkerHost\Http\Output, because header() can't be seen under PHP's command line.
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
        if ($this->handler === null) {
            throw new \Error('A worker needs onRequest() before run()');
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
            $this->exchange = null;
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
        $this->link->maxFrame = $hello[6];
        $this->window = $hello[7];
        $this->dev = $hello[9];
        Log::attach($this->link);
        \set_time_limit(0);
        \ignore_user_abort(true);
        $this->reserve = \str_repeat("\0", 65536);
        $this->pid = (int) \getmypid();
        self::load();
        \register_shutdown_function($this->shutdown(...));
        $this->divert();
        Backtrace::install($this->link);
        $this->boot();
        $this->loop();
        $this->stop();
        Log::attach(null);
    }

    /** Loads the rest of the SDK, so that one that is moved or brought up to date below a running worker is never mixed with this one. */
    private static function load(): void
    {
        foreach (['Http', 'Internal'] as $folder) {
            foreach (\glob(__DIR__ . "/$folder/*.php") ?: [] as $file) {
                \class_exists("WorkerHost\\$folder\\" . \basename($file, '.php'));
            }
        }
        \class_exists(RequestCancelled::class);
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
        $features = ['forms', 'ahead'];
        if (Backtrace::answers()) {
            $features[] = Backtrace::FEATURE;
        }
        $this->link->send([Frame::READY, 0, Frame::VERSION, $this->pid, $sdk, 1, $features, Frame::WINDOW_SIZE]);
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
        while (!$link->draining && ($message = $link->next()) !== null) {
            if ($message[0] === Frame::REQUEST) {
                if ($link->recalled($message[1])) {
                    $link->send([Frame::DONE, $message[1]]);
                    continue;
                }
                $this->answer($message);
                $this->flush(); // what a generator left
            } elseif ($message[0] === Frame::HELLO) {
                throw new LinkError('HELLO once', 'it again');
            }
            // All else belongs to streams that are done: late, and of no interest.
        }
        while ($link->draining && ($message = $link->held() ?? $link->poll()) !== null) {
            if ($message[0] === Frame::REQUEST) {
                $link->send([Frame::RESET, $message[1], Frame::CODE_REFUSED, 'this worker is draining']);
                $link->send([Frame::DONE, $message[1]]);
            }
        }
    }

    /** @param list<mixed> $message */
    private function answer(array $message): void
    {
        $stream = $message[1];
        $exchange = new Exchange($this->link, $stream, ($message[2] & Frame::FLAG_END) !== 0, $message[10], $this->window);
        $this->exchange = $exchange;
        $this->request = $request = new Request($message, $exchange);
        Log::stream($stream);
        try {
            $this->globals?->fill($request);
            $response = $this->capture ? $this->captured($request) : ($this->handler)($request);
            $this->endChild();
            if (!$response instanceof Response) {
                $response = self::response($response);
            }
            $this->flush(); // before DONE, so that the host knows whose it is
            Sender::send($response, $exchange, $request->method);
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $response = null;
            $this->endChild();
            $this->flush();
            $this->recover($e, $exchange, $request);
        }
        $exchange->body = null; // the two refer to each other; without this only the cycle collector would free them
        $this->exchange = $this->request = null;
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
        if (!$forgotten) {
            Log::warn('this worker ends: the code has ended an output buffer that was not its own and printed past it, after which PHP forgets no session');
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
        while (\ob_get_level() > $this->level) {
            \ob_end_flush();
        }
        if (\ob_get_level() < $this->level) {
            $this->divert(); // the code has ended a buffer that was not its own
        }
    }

    /**
     * What the code prints goes to the log from a buffer that is never filled, because PHP takes the first byte that it prints itself for the end of the headers,
     * and would start no session any more.
     */
    private function divert(): void
    {
        $log = \fopen('php://stderr', 'wb');
        \ob_start(static function (string $bytes) use ($log): string {
            \fwrite($log, $bytes);

            return '';
        }, 1);
        $this->level = \ob_get_level();
    }

    private static function response(mixed $result): Response
    {
        return match (true) {
            \is_string($result) => Response::html($result),
            \is_array($result) => Response::json($result),
            $result === null => new Response(204),
            $result instanceof ResponseInterface => Psr7::response($result),
            default => throw new \TypeError('The handler returned ' . \get_debug_type($result)
                . '; it may return a WorkerHost\Http\Response, a string (HTML), an array (JSON), a PSR-7 response or null (204 No Content)'),
        };
    }

    /** Runs the handler with its echo kept for the body. */
    private function captured(Request $request): mixed
    {
        $level = \ob_get_level();
        \ob_start();
        Output::begin();
        try {
            $result = ($this->handler)($request);
            while (\ob_get_level() > $level + 1) {
                \ob_end_flush();
            }
        } catch (\Throwable $e) {
            while (\ob_get_level() > $level) {
                \ob_end_flush(); // to the log
            }
            Output::end(null);
            throw $e;
        }
        $echoed = \ob_get_level() > $level ? (string) \ob_get_clean() : '';
        // A page that was included returns 1, which is no response.
        if ($result === null || \is_scalar($result) && !\is_string($result)) {
            return Output::end($echoed);
        }
        echo $echoed;
        Output::end(null);

        return $result;
    }

    private function recover(\Throwable $e, Exchange $exchange, Request $request): void
    {
        if ($e instanceof RequestCancelled && $exchange->cancelled) {
            Log::debug("stopped: {$exchange->reason}", ['method' => $request->method, 'target' => $request->target]);
        } else {
            Failure::log($e, $request);
            if (!$exchange->answered && !$exchange->cancelled) {
                $page = Failure::page($this->dev, Failure::summary($e), (string) $e, $request);
                Sender::send($page, $exchange, $request->method);

                return;
            }
            $exchange->abort(Failure::summary($e));
        }
        unset($e); // its trace may hold what has to be gone before DONE
        Sender::finish($exchange);
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

    /** Runs at PHP's shutdown. Where code was cut off by exit() or a fatal error it still gives the host its answer, so that nobody tries the request again. */
    private function shutdown(): void
    {
        if (!$this->booting && $this->exchange === null || \getmypid() !== $this->pid) {
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
        [$exchange, $request] = [$this->exchange, $this->request];
        $this->exchange = $this->request = null;
        $exchange->after = [];
        Log::error(
            $fatal ? "this worker ends: $what" : "this worker ends: $what, which ends the whole process; return from the handler instead",
            ['method' => $request->method, 'target' => $request->target],
        );
        if (!$exchange->answered && !$exchange->cancelled) {
            $page = Failure::page($this->dev, $what, '', $request);
            Sender::send($page, $exchange, $request->method);
        } else {
            $exchange->abort($what);
            $exchange->finish();
        }
        try {
            $this->link->refuse('this worker ends');
        } catch (LinkError) {
            // The host knows, or is gone.
        }
    }
}
