<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\RequestCancelled;

/**
 * @internal One stream from REQUEST to DONE: what has come and gone in each direction, and both windows (SPEC.md §4 to
 *     §7).
 *
 * All of it belongs to the one request at hand. Frames of other streams are late and are dropped here.
 */
final class Exchange
{
    /** RESET came, or the link ended: nothing is sent any more but DONE. */
    public bool $cancelled = false;
    public string $reason = '';
    /** RESPONSE was sent. */
    public bool $answered = false;
    /** END or RESET was sent. */
    public bool $ended = false;
    public bool $done = false;
    /** END came: the request's body is complete. */
    public bool $whole;
    /** @var list<string> the request's trailers, name, value, name, value …, once it is whole */
    public array $trailers = [];

    /** How many bytes of the body were handed out. */
    public int $read = 0;
    /** Made on demand; kept here because copies of the request share it. */
    public ?Body $body = null;

    /** @var list<callable(): mixed> what runs before DONE, see Response::after() */
    public array $after = [];

    /** What came of the body and was not read yet, from $offset on. */
    private string $input;
    private int $offset = 0;
    /** What the host may still send, and what was read since the last WINDOW. */
    private int $room = Frame::WINDOW_SIZE;
    private int $ungranted = 0;

    /** RESET was sent. */
    private bool $broken = false;

    /**
     * Nothing here is readonly, and no interface its type: each request makes one, and either costs twice what
     * another property does.
     *
     * @param Channel   $link
     * @param int       $window what may be sent before a WINDOW
     * @param Acts|null $acts   what goes out in front of DONE
     */
    public function __construct(
        private $link,
        public int $stream,
        bool $whole,
        ?string $body,
        private int $window,
        public ?Acts $acts = null,
    ) {
        $this->whole = $whole;
        $this->input = $body ?? '';
    }

    /** The bytes of the body that are at hand. */
    public function available(): int
    {
        return \strlen($this->input) - $this->offset;
    }

    /**
     * Up to $most bytes of the body; waits until there are some. '' at its end.
     *
     * @throws RequestCancelled
     */
    public function read(int $most): string
    {
        while ($this->offset === \strlen($this->input)) {
            if ($this->whole) {
                return '';
            }
            $this->orThrow();
            $this->pump();
        }
        if ($this->offset === 0 && $most >= \strlen($this->input)) {
            $bytes = $this->input;
            $this->input = '';
        } else {
            $bytes = \substr($this->input, $this->offset, $most);
            $this->offset += \strlen($bytes);
            if ($this->offset >= Frame::MAX_DATA || $this->offset === \strlen($this->input)) {
                $this->input = \substr($this->input, $this->offset);
                $this->offset = 0;
            }
        }
        $this->read += \strlen($bytes);
        $this->grant(\strlen($bytes));

        return $bytes;
    }

    /** Makes room for as many bytes as were read, once that is half of the window (§6.2). */
    private function grant(int $bytes): void
    {
        // The bytes inside REQUEST took no room, so no more is granted than DATA has taken.
        $this->ungranted += $bytes;
        if (!$this->whole && !$this->cancelled && !$this->broken && $this->ungranted >= Frame::WINDOW_SIZE >> 1
            && $this->room < Frame::WINDOW_SIZE) {
            $grant = \min($this->ungranted, Frame::WINDOW_SIZE - $this->room);
            $this->ungranted = 0;
            $this->room += $grant;
            $this->link->send([Frame::WINDOW, $this->stream, $grant]);
        }
    }

    private function orThrow(): void
    {
        if ($this->cancelled) {
            throw new RequestCancelled($this->reason);
        }
    }

    /** Waits for one message and takes in what it says. */
    private function pump(): void
    {
        if ($this->over()) {
            return;
        }
        $message = $this->link->hear(true);
        if ($message !== null) {
            $this->apply($message);
        } elseif (!$this->over()) {
            $this->cancelled = true;
            $this->reason = 'the host says no more';
        }
    }

    /** Takes in what has come, without waiting, and says whether anybody still waits for the answer. */
    public function wanted(): bool
    {
        while (!$this->over() && ($message = $this->link->hear(false)) !== null) {
            $this->apply($message);
        }

        return !$this->cancelled;
    }

    /**
     * Whether nothing more will come. After DONE what comes belongs to the next request, so code that has kept this
     * one (its stream, say) must not take it.
     */
    private function over(): bool
    {
        if (!$this->cancelled && ($this->done || $this->link->isLost())) {
            $this->cancelled = true;
            $this->reason = $this->done ? 'the request is over' : 'the host is gone';
        }

        return $this->cancelled;
    }

    /** @param list<mixed> $message */
    private function apply(array $message): void
    {
        if ($message[1] !== $this->stream || $this->cancelled
            || $message[0] === Frame::RESET && $message[2] === Frame::CODE_RECALLED) {
            return; // what has begun is not given back
        }
        switch ($message[0]) {
            case Frame::DATA:
                $size = \strlen($message[3]);
                if ($this->whole || $size > $this->room) {
                    throw $this->link->fail($this->whole
                        ? new LinkError("no DATA after END on stream {$this->stream}", 'more of it', '4.6')
                        : new LinkError(
                            "at most {$this->room} bytes of DATA on stream {$this->stream}",
                            "$size, which is " . ($size - $this->room) . ' more than its window',
                            '6.1',
                        ));
                }
                $this->room -= $size;
                $this->input .= $message[3];
                if (($message[2] & Frame::FLAG_END) !== 0) {
                    $this->whole = true;
                    $this->trailers = $message[4] ?? [];
                }
                break;
            case Frame::WINDOW:
                $this->window += $message[2];
                if ($this->window > Frame::MAX_WINDOW) {
                    $got = "{$this->window} on stream {$this->stream}";
                    throw $this->link->fail(new LinkError('a window of at most ' . Frame::MAX_WINDOW, $got, '6.2'));
                }
                break;
            case Frame::RESET:
                $this->cancelled = true;
                $this->reason = Frame::given($message);
                break;
        }
    }

    /** @param list<string> $headers */
    public function inform(int $status, array $headers): void
    {
        if (!$this->answered && !$this->cancelled && !$this->done) {
            $this->link->send([Frame::INFORM, $this->stream, $status, $headers]);
        }
    }

    /** The whole answer in one frame, END and DONE included. @param list<mixed> $message RESPONSE */
    public function complete(array $message): void
    {
        $this->answered = $this->ended = $this->done = true;
        $this->link->send($message, $this->acts?->take() ?? '');
    }

    /**
     * RESPONSE, with as much of the body as goes with it.
     *
     * @param list<string>     $headers
     * @param list<mixed>|null $hold    what makes a connection of it (§10.6)
     */
    public function respond(int $flags, int $status, array $headers, ?string $body = null, ?string $file = null,
        ?array $hold = null): void
    {
        $this->answered = true;
        $this->mark($flags);
        $headers = $body === null ? $headers : Headers::typed($headers, $body);
        $message = [Frame::RESPONSE, $this->stream, $flags, $status, $headers];
        if ($body !== null && $body !== '') {
            $message[] = $body;
        } elseif ($file !== null || $hold !== null) {
            $message[] = null;
        }
        if ($file !== null || $hold !== null) {
            $message[] = $file;
        }
        if ($hold !== null) {
            $message[] = $hold;
        }
        $this->link->send($message, $this->before());
    }

    /**
     * RESPONSE with what the host is to fetch (§15.1), and all of the body, which is that of the request.
     *
     * @param list<string> $headers
     * @param list<mixed>  $fetch
     */
    public function fetch(int $flags, int $status, array $headers, string $body, array $fetch): void
    {
        $this->answered = true;
        $whole = \strlen($body) <= Frame::MAX_DATA;
        $this->mark($whole ? $flags : 0);
        $this->link->send([Frame::RESPONSE, $this->stream, $whole ? $flags : 0, $status, $headers,
            $whole ? $body : \substr($body, 0, Frame::MAX_DATA), null, null, $fetch], $this->before());
        if (!$whole) {
            $this->data(\substr($body, Frame::MAX_DATA), $flags);
        }
    }

    /**
     * DATA, in as many frames as it takes, held to the window; false once nobody wants it any more.
     *
     * With flags, the last of the frames carries them, and there is one even for no bytes.
     *
     * @param list<string>|null $trailers only with END
     */
    public function data(string $bytes, int $flags = 0, ?array $trailers = null): bool
    {
        $size = \strlen($bytes);
        $at = 0;
        while ($at < $size) {
            while ($this->window <= 0 && !$this->cancelled) {
                $this->pump();
            }
            if ($this->cancelled) {
                return false;
            }
            $count = \min($size - $at, $this->window, Frame::MAX_DATA);
            $last = $at + $count === $size;
            $this->window -= $count;
            $this->frame($count === $size ? $bytes : \substr($bytes, $at, $count), $last ? $flags : 0,
                $last ? $trailers : null);
            $at += $count;
            if (!$last && !$this->wanted()) {
                return false;
            }
        }
        if ($size === 0 && $flags !== 0 && !$this->cancelled) {
            $this->frame('', $flags, $trailers);
        }

        return !$this->cancelled;
    }

    /** @param list<string>|null $trailers */
    private function frame(string $bytes, int $flags, ?array $trailers): void
    {
        $this->mark($flags);
        $message = [Frame::DATA, $this->stream, $flags, $bytes];
        if ($trailers !== null) {
            $message[] = $trailers;
        }
        $this->link->send($message, $this->before());
    }

    /** What goes out in front of a frame that carries DONE. */
    private function before(): string
    {
        return $this->done && $this->acts !== null ? $this->acts->take() : '';
    }

    private function mark(int $flags): void
    {
        $this->ended = $this->ended || ($flags & Frame::FLAG_END) !== 0;
        $this->done = ($flags & Frame::FLAG_DONE) !== 0;
    }

    /** The response can't be finished: the host aborts the client's connection, or answers 502. */
    public function abort(string $reason): void
    {
        if (!$this->ended && !$this->cancelled) {
            $this->ended = $this->broken = true;
            $this->link->send([Frame::RESET, $this->stream, Frame::CODE_INTERNAL, $reason]);
        }
    }

    /** The word that all code for this stream has run, unless it was given already (§4.2). */
    public function finish(): void
    {
        if (!$this->done) {
            $this->done = true;
            $acts = $this->acts?->take() ?? '';
            // Of a request that was given up the host takes no acts (§10.1).
            $this->link->send([Frame::DONE, $this->stream], $this->broken || $this->cancelled ? '' : $acts);
        }
    }
}
