<?php

declare(strict_types=1);

namespace WorkerHost\Tests\Support;

use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;

/** The host's end of a link, with a real worker process at the other: frames by hand, one at a time. */
final class FakeHost
{
    private const DEADLINE = 20.0;
    private const DISABLED = 'disable_functions=ob_get_level,ob_get_status,ob_get_clean,ob_get_flush,ob_implicit_flush,flush,'
        . 'connection_aborted,connection_status,filter_has_var,filter_input,filter_input_array,is_uploaded_file,move_uploaded_file,'
        . 'header,headers_sent,headers_list,header_remove,http_response_code,header_register_callback,setcookie,setrawcookie';
    /** How the host starts PHP. */
    public const PHP = [...self::OTHER, '-d', self::DISABLED];
    /** How it does for a script that was written for FrankenPHP. */
    public const FRANKENPHP = [
        ...self::OTHER, '-d', self::DISABLED . ',php_sapi_name', '-d', 'auto_prepend_file=' . __DIR__ . '/../../franken.php',
    ];
    /** As PHP, with all extensions and settings of the machine. */
    public const WHOLE = [...self::PHP, '-d', 'display_startup_errors=1'];
    /** How somebody else may. */
    public const OTHER = ['-d', 'display_errors=stderr', '-d', 'log_errors=0'];

    public readonly int $pid;
    /** @var list<mixed> READY, or what came instead */
    public array $ready = [];
    /** @var list<list<mixed>> LOG messages seen so far */
    public array $logs = [];
    /** What ENDING said to be begun; null until it comes. */
    public ?int $begun = null;
    /** @var array<int, string> by stream: what was printed, from LOGs of level "print" */
    public array $printed = [];
    public ?int $exitCode = null;

    /** @var resource */
    private $process;
    /** @var resource|null */
    private $to;
    /** @var resource */
    private $from;
    private string $buffer = '';
    private int $stream = -1;
    private bool $magic = false;
    private Codec $codec;
    private string $folder;

    /**
     * @param string       $code      of the worker, after the autoloader
     * @param bool         $announced whether the frames travel on descriptors of their own; false: on stdin and stdout
     * @param list<string> $php       options for php
     */
    public function __construct(string $code, bool $announced = true, array $php = self::PHP,
        ?string $directory = null)
    {
        $this->codec = new Codec(false);
        $this->folder = sys_get_temp_dir() . '/workerhost-test-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
        $autoload = var_export(dirname(__DIR__, 2) . '/autoload.php', true);
        $uses = 'use WorkerHost\{Async, Worker, Log, RequestCancelled, Connection, CallFailed}; use '
            . 'WorkerHost\Http\{Request, Response, Cookie, Output, UploadedFile, ServerSentEvent};';
        file_put_contents("$this->folder/worker.php", "<?php\nrequire $autoload; $uses\n$code\n");
        $log = ['file', "$this->folder/log", 'a'];
        $descriptors = $announced
            ? [['file', '/dev/null', 'r'], $log, $log, ['pipe', 'r'], ['pipe', 'w']]
            : [['pipe', 'r'], ['pipe', 'w'], $log];
        $environment = getenv();
        unset($environment['WORKERHOST_FRAMES']);
        if ($announced) {
            $environment['WORKERHOST_FRAMES'] = '3,4';
        }
        $process = proc_open([\PHP_BINARY, ...self::lean($php), ...$php, "$this->folder/worker.php"], $descriptors, $pipes, $directory,
            $environment);
        if ($process === false) {
            throw new \RuntimeException('php does not start');
        }
        $this->process = $process;
        [$this->to, $this->from] = $announced ? [$pipes[3], $pipes[4]] : [$pipes[0], $pipes[1]];
        stream_set_blocking($this->from, false);
        $this->pid = proc_get_status($process)['pid'];
    }

    /**
     * PHP with the extensions that most workers here need, in place of all that a machine has, which take most of the
     * time in which it starts. Options of a test's own leave it as it is.
     *
     * @param list<string> $php
     * @return list<string>
     */
    private static function lean(array $php): array
    {
        static $options = null;
        if ($php !== self::PHP && $php !== self::OTHER && $php !== self::FRANKENPHP) {
            return [];
        }
        if ($options === null) {
            $options = ['-n', '-d', 'memory_limit=-1'];
            foreach (['posix', 'ctype', 'tokenizer', 'mbstring', 'msgpack', 'sockets'] as $name) {
                if (is_file(ini_get('extension_dir') . "/$name.so") && extension_loaded($name)) {
                    array_push($options, '-d', "extension=$name");
                }
            }
        }

        return $options;
    }

    /** Starts a worker and brings it to READY. @param list<string> $php @param list<string|int> $limits */
    public static function serving(string $code, bool $announced = true, array $php = self::PHP, bool $dev = false,
        int $window = 262144, ?string $directory = null, array $limits = []): self
    {
        $host = new self($code, $announced, $php, $directory);
        $host->hello($dev, $window, limits: $limits);
        $host->ready = $host->next();
        if ($host->ready[0] !== Frame::READY) {
            throw new \RuntimeException('no READY but ' . json_encode($host->ready) . "\n" . $host->log());
        }

        return $host;
    }

    public function hello(bool $dev = false, int $window = 262144, array $versions = [1], array $limits = [],
        int $slot = 0, array $features = []): void
    {
        $this->send([Frame::HELLO, 0, $versions, 'test', 1, $slot, Frame::MAX, $window, 'fake', $dev,
            ['unknown', ...$features],
            ['unknown', 1, ...$limits]]);
    }

    public function __destruct()
    {
        $this->end();
        self::remove($this->folder);
    }

    private static function remove(string $folder): void
    {
        foreach (new \FilesystemIterator($folder) as $entry) {
            $entry->isDir() && !$entry->isLink() ? self::remove($entry->getPathname()) : unlink($entry->getPathname());
        }
        rmdir($folder);
    }

    /** @param list<mixed> $message */
    public function send(array $message): void
    {
        $this->raw($this->codec->frame($message));
    }

    public function raw(string $bytes): void
    {
        for (; $bytes !== ''; $bytes = substr($bytes, (int) $written)) {
            $written = @fwrite($this->to, $bytes);
            if ($written === false) {
                throw new \RuntimeException('the worker reads no more: ' . $this->log());
            }
        }
    }

    /**
     * Opens a stream with a request; $body is sent whole when it is a string. Returns the stream.
     *
     * @param list<string> $headers name, value, …
     * @param list<mixed>  $more    elements from `length` on
     */
    public function request(string $method = 'GET', string $target = '/', array $headers = [], ?string $body = null,
        bool $end = true, array $more = []): int
    {
        $this->stream += 2;
        $this->send([
            Frame::REQUEST, $this->stream, $end ? 1 : 0, $method, $target, '1.1', 'http', 'example.org:8080',
            '192.0.2.1:50000', $headers, $body, ...$more,
        ]);

        return $this->stream;
    }

    /**
     * Opens a stream with an event of a connection. Returns the stream.
     * @param list<mixed> $elements those after the stream
     */
    public function event(int $type, array $elements): int
    {
        $this->stream += 2;
        $this->send([$type, $this->stream, ...$elements]);

        return $this->stream;
    }

    /** A whole message of a client, and what the worker did. @return list<list<mixed>> as done() */
    public function deliver(string $bytes, array $connection = ['c1', 'websocket', '192.0.2.1:50000'],
        bool $binary = false, array $more = []): array
    {
        return $this->done($this->event(Frame::MESSAGE, [$binary ? 5 : 1, $connection, 1, $bytes, $more]));
    }

    /**
     * What the worker says on that stream, up to and with its DONE; [] at the end if it dies before.
     * @return list<list<mixed>>
     */
    public function done(int $stream): array
    {
        $said = [];
        for (;;) {
            $said[] = $message = $this->next();
            if ($message === [] || $message[1] === $stream
                && ($message[0] === Frame::DONE || $message[0] >= Frame::SEND && ($message[2] & Frame::FLAG_DONE) !== 0
                || $message[0] === Frame::RESPONSE && ($message[2] & Frame::FLAG_DONE) !== 0)) {
                return $said;
            }
        }
    }

    /** A request and the whole answer to it. */
    public function get(string $method = 'GET', string $target = '/', array $headers = [], ?string $body = null,
        array $more = []): Answer
    {
        return $this->answer($this->request($method, $target, $headers, $body, true, $more));
    }

    /** Reads until DONE on that stream, and grants window as the body comes. */
    public function answer(int $stream, bool $grant = true): Answer
    {
        $answer = new Answer();
        while (!$answer->done) {
            $message = $this->next();
            if ($message === []) {
                $answer->died = true;
                break;
            }
            if ($message[1] === $stream) {
                $answer->take($message);
                if ($grant && $message[0] === Frame::DATA && $message[3] !== '') {
                    try {
                        $this->send([Frame::WINDOW, $stream, strlen($message[3])]);
                    } catch (\RuntimeException) {
                        // An exit() has ended the worker behind its DONE: what it said is still to be read.
                    }
                }
            }
        }

        return $answer;
    }

    /**
     * The next message that is neither LOG nor ENDING, which are kept; [] at the end of the link.
     *
     * @return list<mixed>
     */
    public function next(): array
    {
        for (;;) {
            $message = $this->message(self::DEADLINE);
            if ($message === null) {
                throw new \RuntimeException('the worker says nothing: ' . $this->log());
            }
            if ($message !== [] && $message[0] === Frame::LOG) {
                $this->logs[] = $message;
            } elseif ($message !== [] && $message[0] === Frame::ENDING) {
                $this->begun = $message[2];
            } else {
                return $message;
            }
        }
    }

    /**
     * The next LOG, which must come before any other message.
     *
     * @return list<mixed>
     */
    public function nextLog(): array
    {
        $message = $this->message(self::DEADLINE);
        if ($message === null || $message === [] || $message[0] !== Frame::LOG) {
            throw new \RuntimeException('expected a LOG: ' . json_encode($message) . $this->log());
        }

        return $message;
    }

    /** Whether the worker says nothing for that long. */
    public function silent(float $seconds): bool
    {
        return $this->message($seconds) === null;
    }

    /** @return list<mixed>|null [] at the end, null when the time is up */
    private function message(float $seconds): ?array
    {
        $until = microtime(true) + $seconds;
        for (;;) {
            if (!$this->magic && strlen($this->buffer) >= 8) {
                $at = strpos($this->buffer, Frame::MAGIC);
                if ($at === false) {
                    throw new \RuntimeException('no magic but: ' . $this->buffer . $this->log());
                }
                $this->buffer = substr($this->buffer, $at + 8);
                $this->magic = true;
            }
            $length = $this->magic ? Frame::length($this->buffer, 0, Frame::MAX) : null;
            if ($length !== null && strlen($this->buffer) >= 4 + $length) {
                $payload = substr($this->buffer, 4, $length);
                $this->buffer = substr($this->buffer, 4 + $length);
                $message = $this->codec->message($payload);
                if ($message[0] !== Frame::LOG || $message[2] !== 'print') {
                    return $message;
                }
                $this->printed[$message[1]] = ($this->printed[$message[1]] ?? '') . $message[3];

                continue;
            }
            $left = $until - microtime(true);
            $read = [$this->from];
            $none = null;
            if ($left <= 0 || stream_select($read, $none, $none, (int) $left, (int) (fmod($left, 1) * 1e6)) === 0) {
                return null;
            }
            $bytes = fread($this->from, 1048576);
            if ($bytes === '' || $bytes === false) {
                return [];
            }
            $this->buffer .= $bytes;
        }
    }

    /** Closes the worker's input. */
    public function endInput(): void
    {
        if ($this->to !== null) {
            @fclose($this->to);
            $this->to = null;
        }
    }

    /** Closes the worker's input, waits for its end, and gives its exit status. */
    public function end(): int
    {
        $this->endInput();
        if ($this->exitCode !== null) {
            return $this->exitCode;
        }
        $until = microtime(true) + self::DEADLINE;
        while (($status = proc_get_status($this->process))['running']) {
            if (microtime(true) > $until) {
                proc_terminate($this->process, 9);
                break;
            }
            $read = [$this->from];
            $none = null;
            stream_select($read, $none, $none, 0, 2000);
            $this->buffer .= fread($this->from, 1048576); // so that it can't be stuck in a write
            usleep(500);
        }
        $this->buffer .= stream_get_contents($this->from);
        while ($this->magic && ($message = $this->message(0.0)) !== null && $message !== []) {
            // what it printed at its end is kept
        }

        return $this->exitCode = $status['exitcode'];
    }

    /** What the worker has printed, and has written to stdout and stderr, so far. */
    public function log(): string
    {
        return implode($this->printed) . file_get_contents("$this->folder/log");
    }

    public function path(string $name): string
    {
        return "$this->folder/$name";
    }
}
