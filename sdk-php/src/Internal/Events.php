<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Connection;
use WorkerHost\Fetched;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Log;
use WorkerHost\RequestCancelled;
use WorkerHost\Task;

/**
 * @internal The events of connections, from the frame to its DONE (SPEC.md §9): handle() runs the handler, finish()
 *     says DONE.
 */
final class Events
{
    /** @var (callable(Connection, ?Request): mixed)|null */
    public $open = null;
    /** @var (callable(Connection, string, bool, array<string, string>): mixed)|null */
    public $message = null;
    /** @var (callable(Connection, int, string, bool): mixed)|null */
    public $close = null;
    /** @var (callable(Connection, bool, int): mixed)|null */
    public $buffer = null;
    /** @var (callable(Fetched): mixed)|null */
    public $fetched = null;
    /** @var array<array-key, callable(Task): mixed> by queue */
    public array $tasks = [];

    private Channel $link;
    private int $stream = 0;
    private ?Connection $connection = null;
    /** Why the event has come to nothing. */
    private ?string $failure = null;
    /** @var list<mixed>|null the RESPONSE that refuses a connection */
    private ?array $refusal = null;
    private ?Task $task = null;
    /** Whether the event is for code that is not here. */
    private bool $refused = false;

    /** @param \Closure(): void $returned what runs whenever user code has returned or thrown */
    public function __construct(private readonly Acts $acts, private readonly \Closure $returned)
    {
    }

    /** As these, for another strand. @param \Closure(): void $returned */
    public function apart(Acts $acts, \Closure $returned, Channel $link): self
    {
        $copy = new self($acts, $returned);
        [$copy->open, $copy->message, $copy->close, $copy->buffer, $copy->fetched] = [$this->open, $this->message,
            $this->close, $this->buffer, $this->fetched];
        $copy->tasks = $this->tasks;
        $copy->link = $link;

        return $copy;
    }

    public function attach(Channel $link): void
    {
        $this->link = $link;
    }

    /** What READY says of them (§9.2). @return list<string> */
    public function features(): array
    {
        return \array_keys(\array_filter(
            ['open' => $this->open, 'message' => $this->message, 'close' => $this->close, 'buffer' => $this->buffer,
                Fetches::FETCHED => $this->fetched]));
    }

    /**
     * Runs the event's handler. What that throws is logged here.
     *
     * @param list<mixed> $event
     */
    public function handle(array $event, ?Superglobals $globals): void
    {
        $this->stream = $event[1];
        $this->acts->open($event[1]);
        try {
            if ($event[0] === Frame::MESSAGE) {
                $this->messages($event);
            } elseif ($event[0] === Frame::FETCHED) {
                $this->fetched($event);
            } elseif ($event[0] === Frame::TASK) {
                $this->task($event);
            } else {
                $this->one($event, $globals);
            }
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $this->connection?->unsettle();
            $this->fail($e, Message::name($event[0]), self::whose($event));
            if ($this->task !== null && !$e instanceof RequestCancelled) {
                $this->acts->act($this->task->failure($this->failure ?? '', (string) $e), true);
            }
        }
    }

    /**
     * Whose an event is: a connection, of which [0] is the id and [2] the remote address, or a fetch or a task, by
     * its id.
     *
     * @param list<mixed> $event
     *
     * @return list<mixed>
     */
    public static function whose(array $event): array
    {
        return match ($event[0]) {
            Frame::MESSAGE => $event[3],
            Frame::FETCHED, Frame::TASK => [$event[3], '', ''],
            default => $event[2],
        };
    }

    /** @param list<mixed> $event OPEN, CLOSE or BUFFER */
    private function one(array $event, ?Superglobals $globals): void
    {
        $handler = match ($event[0]) {
            Frame::OPEN => $this->open,
            Frame::CLOSE => $this->close,
            Frame::BUFFER => $this->buffer,
        };
        if ($handler === null) {
            return;
        }
        $connection = $this->connect($event[2], $event[3]);
        try {
            switch ($event[0]) {
                case Frame::OPEN:
                    $upgrade = null;
                    if ($event[4] !== null) {
                        $upgrade = Request::upgrade($event);
                        $connection->offer($event[4][6]);
                        $globals?->fill($upgrade);
                    }
                    $answer = $handler($connection, $upgrade);
                    $this->refusal = self::refusal($answer, $this->stream);
                    break;
                case Frame::CLOSE:
                    $handler($connection, $event[4], $event[5], $event[6]);
                    break;
                case Frame::BUFFER:
                    $handler($connection, $event[4], $event[5]);
                    break;
            }
        } finally {
            ($this->returned)();
        }
        $connection->settle();
    }

    /** The event's connection, its session upgraded. @param list<mixed> $list */
    private function connect(array $list, int $attempt): Connection
    {
        try {
            return $this->connection = new Connection($list, $attempt, $this->acts, true);
        } finally {
            if (Upgrade::$version > 0) {
                ($this->returned)();
            }
        }
    }

    /** @return list<mixed>|null */
    private static function refusal(mixed $answer, int $stream): ?array
    {
        if ($answer === null) {
            return null;
        }
        if (!$answer instanceof Response) {
            throw new \TypeError('onOpen() returned ' . \get_debug_type($answer)
                . '; it may return null, or a WorkerHost\Http\Response to refuse the connection');
        }

        return $answer->small($stream)
            ?? throw new \Error('A Response that refuses a connection has a string of at most 64 KiB for a body: no '
                . 'file, no stream, no hold');
    }

    /** @param list<mixed> $event MESSAGE, with those that travel behind it */
    private function messages(array $event): void
    {
        if ($this->message === null) {
            return;
        }
        [2 => $flags, 3 => $list, 4 => $attempt, 5 => $bytes, 6 => $more, 7 => $about] = $event;
        if (($flags & Frame::FLAG_END) === 0) {
            $bytes = $this->whole($bytes);
            if ($bytes === null) {
                return;
            }
        }
        $connection = $this->connect($list, $attempt);
        $done = $this->deliver($connection, $bytes, $flags, $about, $list);
        foreach ($more as $later) {
            $done = $this->deliver($connection, $later[1], $later[0], $later[2] ?? [], $list) || $done;
        }
        if ($done) {
            $this->failure = null; // what the others did counts
        }
    }

    /** @param list<mixed> $event FETCHED */
    private function fetched(array $event): void
    {
        $body = ($event[2] & Frame::FLAG_END) === 0 ? $this->whole($event[14]) : $event[14];
        if ($this->fetched === null || $body === null) {
            return;
        }
        try {
            ($this->fetched)(new Fetched($event, $body));
        } finally {
            ($this->returned)();
        }
    }

    /** @param list<mixed> $event TASK */
    private function task(array $event): void
    {
        $handler = $this->tasks[$event[2]] ?? null;
        if ($handler === null) {
            $this->refused = true;

            return;
        }
        $this->task = new Task($event, $this->acts);
        try {
            $result = $handler($this->task);
        } finally {
            ($this->returned)();
        }
        if (($settle = $this->task->settlement($result)) !== null) {
            $this->acts->act($settle);
        }
    }

    /** The bytes of a long message; null if the host has given it up meanwhile. */
    private function whole(string $first): ?string
    {
        $body = new Exchange($this->link, $this->stream, false, $first, 0);
        $parts = [];
        try {
            while (($part = $body->read(Frame::WINDOW_SIZE)) !== '') {
                $parts[] = $part;
            }
        } catch (RequestCancelled) {
            return null;
        }

        return \implode('', $parts);
    }

    /**
     * One message; what a handler that throws has done is undone, and what it did for the messages before it stays.
     *
     * @param list<string> $about names and values by turns
     * @param list<mixed>  $list  the connection
     */
    private function deliver(Connection $connection, string $bytes, int $flags, array $about, array $list): bool
    {
        $mark = $this->acts->mark();
        try {
            try {
                ($this->message)($connection, $bytes, ($flags & Frame::FLAG_BINARY) !== 0,
                    $about === [] ? [] : self::byName($about));
            } finally {
                ($this->returned)();
            }
            $connection->settle();

            return true;
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $connection->unsettle();
            $this->acts->rollback($mark);
            $this->fail($e, 'MESSAGE', $list);

            return false;
        }
    }

    /**
     * @param list<string> $pairs
     *
     * @return array<string, string>
     */
    private static function byName(array $pairs): array
    {
        $map = [];
        for ($i = 0, $count = \count($pairs); $i < $count; $i += 2) {
            $map[$pairs[$i]] = $pairs[$i + 1];
        }

        return $map;
    }

    /** @param list<mixed> $connection */
    private function fail(\Throwable $e, string $event, array $connection): void
    {
        $this->failure = Failure::summary($e);
        if ($e instanceof RequestCancelled) { // the host has given it up, and knows
            Log::debug('stopped: ' . $e->getMessage(), ['event' => $event, 'connection' => $connection[0]]);

            return;
        }
        Log::error($this->failure, ['event' => $event, 'connection' => $connection[0], 'remote' => $connection[2],
            'trace' => (string) $e]);
    }

    /** Writes what the handler has done, and DONE, in one go; or that it came to nothing. */
    public function finish(): void
    {
        $connection = $this->connection;
        if ($connection !== null && $this->failure === null && ($changes = $connection->changes()) !== null) {
            try {
                $this->acts->act($changes[1] === [] ? [Frame::SET, 0, 0, '', $changes[0]]
                    : [Frame::SET, 0, 0, '', ...$changes]);
            } catch (\LengthException $e) {
                $this->fail($e, 'session', [$connection->id, '', $connection->remoteAddress]);
            }
        }
        $connection?->release();
        [$failure, $refusal] = [$this->failure, $this->refusal];
        $refused = $this->refused;
        $this->connection = $this->failure = $this->refusal = $this->task = null;
        $this->refused = false;
        if ($refused) {
            $this->acts->take();
            $this->link->raw($this->link->frame([Frame::RESET, $this->stream, Frame::CODE_REFUSED,
                'no onTask() here is for the queue']) . $this->link->frame([Frame::DONE, $this->stream]));
        } elseif ($failure !== null) {
            $this->acts->take();
            $this->link->raw($this->link->frame([Frame::RESET, $this->stream, Frame::CODE_INTERNAL, $failure])
                . $this->link->frame([Frame::DONE, $this->stream]));
        } elseif ($refusal !== null) {
            $this->link->send($refusal, $this->acts->take());
        } else {
            $this->acts->finish();
        }
    }
}
