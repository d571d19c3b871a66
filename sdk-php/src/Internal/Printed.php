<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Log;

/**
 * @internal Everything that the code prints: it goes to the log or, while a Capture is there, into the body that this
 * makes.
 *
 * PHP hands it over in a buffer at the bottom, which is never filled: PHP takes the first byte that it writes itself
 * for the end of the headers, and would start no session any more; and what it has written itself is past all help.
 *
 * Whatever the code does with output buffers must not get it past this one. A buffer that can be removed is removed,
 * by `while (ob_get_level()) ob_end_clean();`, and nothing takes its place in time: in an output callback ob_start()
 * is fatal. One that can't be removed makes that loop endless. So it can't be removed, and is not counted either: the
 * host starts PHP without ob_get_level() and its like (`disable_functions`), and functions.php defines them anew.
 * What PHP still has itself, ob_end_clean() say, then answers for this buffer as it does where there is none: with a
 * notice and false. (Reading back what has reached descriptor 1 was the other way. A pipe's reader would be this
 * process, which a full pipe blocks for ever; a file streams nothing.)
 *
 * Where PHP was started in another way the buffer can be removed, and a request whose output has got past it fails.
 */
final class Printed
{
    /**
     * What the host starts PHP without, since functions.php has it: the twin of takenOver in
     * host/internal/php/php.go.
     */
    public const FUNCTIONS = [
        'ob_get_level', 'ob_get_status', 'ob_get_clean', 'ob_get_flush', 'ob_implicit_flush', 'flush',
        'connection_aborted', 'connection_status', 'filter_has_var', 'filter_input', 'filter_input_array',
        'is_uploaded_file', 'move_uploaded_file', 'header', 'headers_sent', 'headers_list', 'header_remove',
        'http_response_code', 'header_register_callback', 'setcookie', 'setrawcookie',
    ];

    private static int $pid = 0;
    /** How many buffers there are when the code has none: this one, and those that were begun before run(). */
    private static int $base = 0;
    /** Whether the code can neither see this buffer nor remove it. */
    private static bool $hidden = false;
    private static bool $removed = false;
    /** Where headers_sent() is ours: whether PHP took what was printed before start() for the end of the headers. */
    private static bool $began = false;
    private static ?Capture $capture = null;
    /** Whether this is known to be the worker, and no child that was forked from it. */
    private static bool $own = false;
    /** Whether the buffer that into() began is still there. */
    private static bool $first = false;
    /** The code has left a buffer that can't be ended. */
    private static bool $stuck = false;
    /** @var (\Closure(): void)|null */
    private static ?\Closure $end = null;

    /** From here on PHP writes nothing itself. */
    public static function start(): void
    {
        require_once \dirname(__DIR__, 2) . '/functions.php';
        self::$pid = (int) \getmypid();
        self::$hidden = !(new \ReflectionFunction('ob_get_level'))->isInternal();
        self::$removed = false;
        self::$began = self::$hidden && self::isWritten();
        \ob_start(self::take(...), 1, self::$hidden ? 0 : \PHP_OUTPUT_HANDLER_STDFLAGS);
        self::$base = \count(\ob_list_handlers());
    }

    /** This process was forked from the one that has called start(), and is a worker of its own. */
    public static function own(): void
    {
        self::$pid = (int) \getmypid();
    }

    /** Whether PHP has written anything itself, after which it starts no session and takes no headers. */
    public static function hasEscaped(): bool
    {
        return self::$hidden ? self::$began : \headers_sent();
    }

    /** What headers_sent() has said before it was ours: then a session can't be given a name. */
    private static function isWritten(): bool
    {
        if (!\function_exists('session_name')) {
            return false; // it matters to sessions alone
        }
        Silence::begin();
        try {
            return \session_status() === \PHP_SESSION_NONE && @\session_name((string) \session_name()) === false;
        } finally {
            \restore_error_handler();
        }
    }

    /** What PHP calls with what is printed. */
    private static function take(string $bytes, int $phase): string|Thrown
    {
        if (!self::captures()) {
            self::log($bytes);
        } else {
            try {
                self::$capture->take($bytes);
            } catch (\Throwable $e) {
                return new Thrown($e);
            }
        }
        if (($phase & \PHP_OUTPUT_HANDLER_FINAL) !== 0) {
            self::$removed = true;
            [$end, self::$end] = [self::$end, null];
            if ($end !== null) {
                $end();
            }
        }

        return '';
    }

    /** Whether there is a body to go into. Not in a child that was forked: the link is its parent's. */
    private static function captures(): bool
    {
        return self::$capture !== null && (self::$own || \getmypid() === self::$pid);
    }

    public static function log(string $bytes): void
    {
        if ($bytes !== '') {
            Log::printed($bytes);
        }
    }

    /**
     * Runs the code with what it prints kept for $capture, in a buffer that it may flush and end as it likes. If it
     * throws, what was not sent goes to the log, unless nobody waits for it.
     *
     * @param callable(): mixed $code
     *
     * @return mixed what it returns
     *
     * @throws \LogicException if something that it printed can't become part of the body
     */
    public static function into(Capture $capture, callable $code): mixed
    {
        self::$capture = $capture;
        self::$own = false;
        self::$first = true;
        \ignore_user_abort(false);
        \ob_start(static fn (string $bytes, int $phase): string|Thrown => self::first($bytes, $phase), $capture->most);
        try {
            $result = $code();
            Process::endChild();
            self::$own = true;
            if (self::$removed && \headers_sent($file, $line)) { // PHP's own: a buffer that is hidden is never removed
                throw new \LogicException('the code has ended every output buffer, and what it printed then is in the '
                    . 'log' . ($file === '' ? '' : ", see $file:$line") . ', not in the response; start PHP with '
                    . '-d disable_functions=' . \implode(',', self::FUNCTIONS));
            }
            self::settle();
            if (self::$stuck) {
                throw new \LogicException('the code has left an output buffer that can not be ended, with its output');
            }

            return $result;
        } catch (\Throwable $e) {
            $rest = $capture->rest();
            if (!$capture->aborted) {
                self::$capture = null;
                self::log($rest);
            }
            self::settle();
            throw $e;
        } finally {
            self::release();
        }
    }

    /**
     * A body for Response::stream(): what $code prints, sent in blocks of 16 KiB and at each flush(); at once if it is
     * `text/event-stream` or has `X-Accel-Buffering: no`.
     *
     * @param callable(): mixed $code
     *
     * @return \Closure(\Closure(string): void): void
     */
    public static function body(callable $code, string $contentType, string $buffering): \Closure
    {
        $most = \str_starts_with($contentType, 'text/event-stream') || $buffering === 'no' ? 1 : 16384;

        return static function (\Closure $write) use ($code, $most): void {
            $capture = new Capture($write, $most);
            self::into($capture, $code);
            $write($capture->rest());
        };
    }

    /** The first buffer of the code: passes on what it ends or fills with, and sends what it flushes. */
    private static function first(string $bytes, int $phase): string|Thrown
    {
        if (($phase & \PHP_OUTPUT_HANDLER_FINAL) !== 0) {
            self::$first = false;
        } elseif (($phase & \PHP_OUTPUT_HANDLER_FLUSH) !== 0 && self::captures()) {
            try {
                self::$capture->take($bytes);
                self::$capture->send();
            } catch (\Throwable $e) {
                return new Thrown($e);
            }

            return '';
        }

        return $bytes;
    }

    /** What is printed from now on goes to the log. */
    public static function release(): void
    {
        self::$capture = null;
        self::$first = false;
        \ignore_user_abort(true);
    }

    /** Whether the code has left a buffer of its own, or ended this one: then there is something to settle(). */
    public static function isLeft(): bool
    {
        return \count(\ob_list_handlers()) !== self::$base || self::$removed;
    }

    /**
     * The code is over: ends the buffers that it has left, so that what is in them goes where the rest went.
     *
     * @throws \Throwable what a callback of the code's own throws
     */
    public static function settle(): void
    {
        if (self::$first && !self::$removed && self::captures() && \count(\ob_list_handlers()) === self::$base + 1) {
            self::$capture->take(self::gather()); // as most pages end
        }
        $thrown = null;
        $floor = self::$base - (self::$removed ? 1 : 0);
        while (($count = \count(\ob_list_handlers())) > $floor && !self::$stuck) {
            try {
                @\ob_end_flush();
            } catch (\Throwable $e) {
                $thrown ??= $e;
            }
            self::$stuck = \count(\ob_list_handlers()) === $count;
        }
        if (self::$removed) {
            self::start();
        }
        if ($thrown !== null) {
            throw $thrown;
        }
    }

    /** Takes what is in the code's first buffer, and ends it. PHP would hand it on by way of two more callbacks. */
    private static function gather(): string
    {
        $bytes = (string) \ob_get_contents();
        \ob_end_clean();

        return $bytes;
    }

    /** Whether the code has left a buffer that swallows what is printed from now on, until the process ends. */
    public static function stuck(): bool
    {
        return self::$stuck;
    }

    /**
     * At exit(): has $end run when all code has run, shutdown functions and destructors too, and printed.
     *
     * @return bool false if that can't be told, or nothing is captured
     */
    public static function atEnd(\Closure $end): bool
    {
        if (!self::$hidden || !self::captures()) {
            return false;
        }
        self::$end = $end;
        \ignore_user_abort(true); // an exception would have nowhere to go any more

        return true;
    }

    /** How many output buffers the code has. */
    public static function level(): int
    {
        return \max(0, \count(\ob_list_handlers()) - self::$base);
    }

    /** @return list<string> the callbacks of these */
    public static function handlers(): array
    {
        return \array_slice(\ob_list_handlers(), self::$base);
    }

    /** As PHP's flush(). Where the code has made no buffer of its own it needs no ob_flush() before it. */
    public static function flush(): void
    {
        if (!self::captures()) {
            return;
        }
        if (self::$first && self::level() === 1) {
            \ob_flush();
        }
        self::$capture->send();
    }

    public static function flushAtOnce(bool $enable): void
    {
        if (self::$capture !== null) {
            self::$capture->implicit = $enable;
        }
    }

    /** As fastcgi_finish_request(): the client has its response, and what is printed from now on goes to the log. */
    public static function finish(): bool
    {
        if (!self::captures() || self::$capture->aborted || self::$capture->end === null) {
            return false;
        }
        self::settle();
        $capture = self::$capture;
        self::release();
        ($capture->end)($capture->rest());

        return true;
    }

    /** Sends the head, with what was printed by now. */
    public static function sendHead(): void
    {
        if (self::captures()) {
            self::$capture->send();
        }
    }

    /** Whether nobody waits any more for what is printed, as far as the code's own output has shown. */
    public static function aborted(): bool
    {
        return self::$capture?->aborted === true;
    }
}
