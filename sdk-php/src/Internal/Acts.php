<?php

// What a worker asks of the host: acts, kept here until the stream's DONE, and calls (SPEC.md §10).

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\CallFailed;
use WorkerHost\Lock;
use WorkerHost\Log;

/**
 * @internal The acts of the event or request at hand, as frames that are written together with its DONE; outside of
 *     one they are written at once, on stream 0.
 *
 * open() opens a stream; finish(), or take() before a frame that carries DONE, closes it.
 */
final class Acts
{
    /** Those of the worker that this process is; null until it is ready. */
    private static ?self $here = null;

    private ?Channel $link = null;
    private int $stream = 0;
    private string $staged = '';
    /** Where in $staged the flags of the last act are. */
    private int $flags = 0;
    /** @var (\Closure(): ?self)|null */
    private ?\Closure $current = null;
    /** @var array<int, Lock> those that end with the handler */
    private array $locks = [];

    /** @param self|null $outside those of code that works for no request or event; null: these are */
    public function __construct(private readonly ?self $outside = null)
    {
    }

    /** For who is kept beyond the request or event at hand. */
    public function outside(): self
    {
        return $this->outside ?? $this;
    }

    /** From now on there is a host that listens. */
    public function attach(?Channel $link): void
    {
        $this->link = $link;
    }

    /** Those of the worker that this process is. @throws \Error before it is ready */
    public static function here(): self
    {
        return self::$here ?? throw new \Error('What the host keeps can be reached once the worker is ready: from a '
            . 'handler, a timer or onStop(), but not from onStart()');
    }

    /** From now on this process is theirs. */
    public function settle(): void
    {
        self::$here = $this;
    }

    /** Whether there is one: from READY to the end. */
    public function isAttached(): bool
    {
        return $this->link !== null;
    }

    /** @param (\Closure(): ?self)|null $current gives those that the code at hand works for; null: there are none */
    public function follow(?\Closure $current): void
    {
        $this->current = $current;
    }

    /** Those that the code at hand works for: these, unless several requests are at hand. */
    public function current(): self
    {
        return $this->current === null ? $this : ($this->current)() ?? $this;
    }

    /** From now on acts belong to this stream, and wait for its DONE. */
    public function open(int $stream): void
    {
        $this->stream = $stream;
        $this->staged = '';
    }

    /**
     * An act of one frame.
     *
     * @param list<mixed> $act its type, 0 for the stream, its flags, and its elements
     *
     * @param int $most how long its frame may be
     *
     * @throws \LengthException if it is longer than that, or than a frame may be, or too much waits
     */
    public function act(array $act, bool $now = false, int $most = \PHP_INT_MAX): void
    {
        $link = $this->link();
        $act[1] = $this->stream;
        if ($now && $this->stream > 0) {
            $act[2] |= Frame::FLAG_NOW;
        }
        $frame = $link->frame($act);
        if (\strlen($frame) > $most) {
            throw new \LengthException('this takes ' . \strlen($frame) . ' bytes: a task has at most 1 MiB; put what '
                . 'is large elsewhere, and push where it is');
        }
        $this->put($link, $frame, 0, $now);
    }

    /** Whether what is asked for waits for the DONE of a stream. */
    public function isOpen(): bool
    {
        return $this->stream > 0;
    }

    /**
     * SEND, in as many frames as the message takes.
     *
     * @param list<string> $names
     * @param list<string> $except
     *
     * @throws \LengthException
     */
    public function send(int $to, array $names, string $message, array $except, bool $binary, bool $now): void
    {
        $flags = $binary ? Frame::FLAG_BINARY : 0;
        $size = \strlen($message);
        if ($size <= Frame::MAX_DATA) {
            $this->act($except === [] ? [Frame::SEND, 0, $flags, $to, $names, $message]
                : [Frame::SEND, 0, $flags, $to, $names, $message, $except], $now);

            return;
        }
        $link = $this->link();
        if ($now && $this->stream > 0) {
            $flags |= Frame::FLAG_NOW;
        }
        $frames = $link->frame([Frame::SEND, $this->stream, $flags | Frame::FLAG_MORE, $to, $names,
            \substr($message, 0, Frame::MAX_DATA), $except]);
        for ($at = Frame::MAX_DATA; $at < $size; $at += Frame::MAX_DATA) {
            $more = $at + Frame::MAX_DATA < $size ? Frame::FLAG_MORE : 0;
            $last = \strlen($frames);
            $frames .= $link->frame([Frame::SEND, $this->stream, $flags | $more, $to, [],
                \substr($message, $at, Frame::MAX_DATA)]);
        }
        $this->put($link, $frames, $last, $now);
    }

    /** @param int $last where the last of the frames begins */
    private function put(Channel $link, string $frames, int $last, bool $now): void
    {
        if ($now || $this->stream === 0) {
            $link->raw($frames, $now);

            return;
        }
        $max = $link->maxActs();
        if (\strlen($this->staged) + \strlen($frames) > $max) {
            $most = $max < 1 << 20 ? "$max bytes" : ($max >> 20) . ' MiB';
            throw new \LengthException("What a handler sends and does waits until it returns, up to $most"
                . ' of it; this is more. Send less, or with now: true, which does not wait');
        }
        // The length, the array, the type and the stream stand before the flags.
        $this->flags = \strlen($this->staged) + $last + 6
            + match (true) {
                $this->stream < 128 => 1, $this->stream < 256 => 2, $this->stream < 65536 => 3, default => 5
            };
        $this->staged .= $frames;
    }

    /**
     * Asks the host, and waits for the answer.
     *
     * @throws \WorkerHost\CallFailed
     */
    public function call(int $type, mixed ...$elements): mixed
    {
        return $this->link()->call($type, $elements);
    }

    /** Has a lock end with the handler at hand, by release(). */
    public function keep(Lock $lock): void
    {
        $this->locks[\spl_object_id($lock)] = $lock;
    }

    /** Forgets it. */
    public function drop(Lock $lock): void
    {
        unset($this->locks[\spl_object_id($lock)]);
    }

    /** After DONE: gives up what locks the handler has left. */
    public function release(): void
    {
        while (($lock = \array_pop($this->locks)) !== null) {
            try {
                $lock->release();
            } catch (CallFailed $e) {
                Log::warn('a lock was not released, and ends when its time is up: ' . $e->getMessage(),
                    ['lock' => $lock->name]);
            }
        }
    }

    private function link(): Channel
    {
        return $this->link ?? throw new \Error('Connections can be reached once the worker is ready: from a handler, '
            . 'a timer or onStop(), but not from onStart()');
    }

    /**
     * Runs what belongs to no event while one is at hand, such as a timer: its acts take effect at once.
     *
     * @param callable(): mixed $function
     */
    public function aside(callable $function): mixed
    {
        [$stream, $staged, $flags] = [$this->stream, $this->staged, $this->flags];
        $this->open(0);
        try {
            return $function();
        } finally {
            [$this->stream, $this->staged, $this->flags] = [$stream, $staged, $flags];
        }
    }

    /** What a handler that fails goes back to. @return array{int, int} */
    public function mark(): array
    {
        return [\strlen($this->staged), $this->flags];
    }

    /** Forgets what was staged since mark(). @param array{int, int} $mark */
    public function rollback(array $mark): void
    {
        if ($this->stream > 0) {
            [$size, $this->flags] = $mark;
            $this->staged = \substr($this->staged, 0, $size);
        }
    }

    /** Forgets all that waits for DONE. */
    public function forget(): void
    {
        $this->staged = '';
    }

    /** All that waits, to stand before a frame that carries DONE. From now on acts take effect at once. */
    public function take(): string
    {
        $staged = $this->staged;
        $this->open(0);

        return $staged;
    }

    /** Writes all that waits, and DONE. From now on acts take effect at once. */
    public function finish(): void
    {
        if ($this->staged === '') {
            $this->link->send([Frame::DONE, $this->stream]);
        } else {
            $this->staged[$this->flags] = \chr(\ord($this->staged[$this->flags]) | Frame::FLAG_DONE);
            $this->link->raw($this->staged);
        }
        $this->open(0);
    }
}
