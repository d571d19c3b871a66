<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\CallFailed;

/**
 * @internal The link to the host: frames off one descriptor, frames onto another (SPEC.md §1, §2, §8, §10.4).
 *
 * Every read of a worker goes through wait() or poll(). They answer PING and note DRAIN and the end by themselves, so whoever waits
 * for something else may not forget to.
 */
final class Link
{
    /** After how many nanoseconds a host recalls a request that waits. */
    private const PATIENCE = 1_000_000;

    /** Set once DRAIN came. */
    public bool $draining = false;
    /** Set once nothing more will come. */
    public bool $ended = false;
    /** Set once the host is gone: it reads no more, or its end came without a DRAIN before it, after which what is at hand may be finished (§8.3). */
    public bool $lost = false;
    public int $maxFrame = Frame::MAX;
    /** The most bytes of acts for a stream, and the most requests ahead (§3.6). */
    public int $maxActs = Frame::MAX_STAGED;
    private int $maxAhead = Frame::MAX_AHEAD;
    /** Set once the two ends disagree. Kept because user code may catch what is thrown in its midst, and nothing is read after it (§11.1). */
    private ?LinkError $broken = null;

    private string $buffer = '';
    private int $at = 0;
    /** @var list<list<mixed>> REQUESTs that came ahead, while another one was at hand (SPEC.md §4.5) */
    private array $ahead = [];
    /** The last stream that this end has opened, and the last that the host has. */
    private int $calls = 0;
    private int $opened = 0;
    /** How many bytes the message had that was taken last. */
    private int $size = 0;
    /** When the pipe was looked into last, in nanoseconds. */
    private int $looked = 0;
    /** @var list<list<mixed>> what recalled(), await() and call() read, for wait() and poll() */
    private array $kept = [];
    /** Set while a frame is on its way, and what a signal's handler had to say meanwhile. */
    private bool $writing = false;
    private string $interjected = '';

    /**
     * @param resource $in
     * @param resource $out
     */
    public function __construct(
        private $in,
        private $out,
        private readonly Codec $codec = new Codec(),
    ) {
        \stream_set_blocking($in, true);
        \stream_set_blocking($out, true);
        // Frames are read whole and written whole; PHP's own buffers would only copy them once more.
        \stream_set_read_buffer($in, 0);
        \stream_set_write_buffer($out, 0);
    }

    /** Takes what the host states in HELLO. @param list<mixed> $hello */
    public function greet(array $hello): void
    {
        $this->maxFrame = $hello[6];
        for ($i = \count($hello[11]) - 2; $i >= 0; $i -= 2) { // of two with the same name the first counts
            match ($hello[11][$i]) {
                'acts' => $this->maxActs = $hello[11][$i + 1],
                'ahead' => $this->maxAhead = $hello[11][$i + 1],
                default => null, // not of interest here
            };
        }
    }

    /** Writes bytes as they are: the magic, or frames made by frame(). */
    public function raw(string $bytes): void
    {
        $this->write($bytes);
    }

    /**
     * @param list<mixed> $message
     *
     * @throws \LengthException if it is longer than the host takes
     */
    public function frame(array $message): string
    {
        $frame = $this->codec->frame($message);
        if (\strlen($frame) - 4 > $this->maxFrame) {
            throw new \LengthException(Message::name($message[0]) . ' is ' . (\strlen($frame) - 4) . " bytes long, and the host takes {$this->maxFrame} at the most");
        }

        return $frame;
    }

    /**
     * @param list<mixed> $message
     * @param string      $before frames that go out in front of it, in the same write
     */
    public function send(array $message, string $before = ''): void
    {
        $this->write($before . $this->codec->frame($message));
    }

    /**
     * Asks the host and waits for its answer. What else comes meanwhile is kept, in order.
     *
     * @param int         $type     CALL or SWAP
     * @param list<mixed> $elements
     *
     * @throws CallFailed if the host says no, or is gone
     * @throws LinkError
     */
    public function call(int $type, array $elements): mixed
    {
        $stream = $this->calls += 2;
        if ($stream > Frame::MAX_WINDOW - 4096) {
            $this->draining = true; // numbers only grow (§4.1): another worker has to go on
        }
        $this->write($this->frame([$type, $stream, ...$elements]));
        $answer = new Pieces();
        for (;;) {
            while (($message = $this->take()) !== null) {
                if ($message[1] !== $stream) {
                    $this->kept[] = $message;
                } elseif ($message[0] === Frame::RESULT) {
                    if ($message[2] !== '') {
                        throw new CallFailed("the host says: {$message[2]}", $message[4]);
                    }
                    try {
                        if ($answer->add($message, $this->size)) {
                            return $answer->value($message[3]);
                        }
                    } catch (LinkError $e) {
                        throw $this->fail($e);
                    }
                } elseif ($message[0] === Frame::RESET) {
                    throw new CallFailed('the host knows no connections; it is older than this SDK', CallFailed::UNIMPLEMENTED);
                }
            }
            if ($this->ended) {
                throw new CallFailed('the host is gone');
            }
            $this->fill();
        }
    }

    /** Waits so many microseconds at the most, and says whether there is something to be taken up by next(), if only the end. */
    public function await(int $microseconds): bool
    {
        if ($this->ahead === [] && $this->kept === [] && !$this->ended) {
            $this->keep();
            if ($this->kept === [] && $this->readable($microseconds)) {
                $this->fill();
                $this->keep();
            }
        }

        return $this->ahead !== [] || $this->kept !== [] || $this->ended;
    }

    /**
     * The next message, however long it takes to come; null at the end of the link.
     *
     * @return list<mixed>|null
     *
     * @throws LinkError
     */
    public function wait(): ?array
    {
        for (;;) {
            $message = $this->kept === [] ? $this->take() : \array_shift($this->kept);
            if ($message !== null) {
                return $message;
            }
            if ($this->ended) {
                return null;
            }
            $this->fill();
        }
    }

    /**
     * The next message between requests: one that was kept, or else what comes; null at the end of the link.
     *
     * @return list<mixed>|null
     *
     * @throws LinkError
     */
    public function next(): ?array
    {
        return $this->ahead === [] ? $this->wait() : \array_shift($this->ahead);
    }

    /**
     * A message that was kept, if there is one.
     *
     * @return list<mixed>|null
     */
    public function held(): ?array
    {
        return \array_shift($this->ahead);
    }

    /**
     * Keeps a REQUEST that came ahead.
     *
     * @param list<mixed> $request
     */
    public function hold(array $request): void
    {
        if (\count($this->ahead) >= $this->maxAhead) {
            throw $this->fail(new LinkError("{$this->maxAhead} REQUESTs ahead at the most", "REQUEST {$request[1]}", '4.5'));
        }
        $this->ahead[] = $request;
    }

    /**
     * Forgets a REQUEST or an event that was kept, if it is there: then this gives it back.
     *
     * @param list<mixed> $reset the RESET for it
     */
    public function drop(array $reset): void
    {
        foreach ($this->ahead as $i => $request) {
            if ($request[1] === $reset[1]) {
                \array_splice($this->ahead, $i, 1);
                $this->giveBack($reset);
            }
        }
    }

    /** Answers a RESET for what was not begun. What was asked back is refused, so that the host knows (§4.5). @param list<mixed> $reset */
    private function giveBack(array $reset): void
    {
        $refusal = $reset[2] === Frame::CODE_RECALLED ? $this->frame([Frame::RESET, $reset[1], Frame::CODE_REFUSED, 'recalled']) : '';
        $this->write($refusal . $this->frame([Frame::DONE, $reset[1]]));
    }

    /**
     * Whether a RESET for the stream stands behind its REQUEST in what was read already. If the last read is long ago the request has waited behind
     * another one, and is likely to have been recalled since: then what has come is read first. What was recalled is given back.
     */
    public function recalled(int $stream): bool
    {
        $this->keep();
        if (\hrtime(true) - $this->looked > self::PATIENCE) {
            while (!$this->ended && $this->readable()) {
                $this->fill();
                $this->keep();
            }
            $this->looked = \hrtime(true);
        }
        foreach ($this->kept as $message) {
            if ($message[0] === Frame::RESET && $message[1] === $stream) {
                $this->giveBack($message);

                return true;
            }
        }

        return false;
    }

    /**
     * Gives back the REQUESTs and events that were read and not begun, for another worker: this one ends. What is still in the pipe the host gives to another
     * one by itself.
     */
    public function refuse(string $reason): void
    {
        $this->keep();
        foreach ([...$this->ahead, ...$this->kept] as $message) {
            if (Frame::opens($message[0])) {
                $this->send([Frame::RESET, $message[1], Frame::CODE_REFUSED, $reason]);
                $this->send([Frame::DONE, $message[1]]);
            }
        }
        $this->ahead = $this->kept = [];
    }

    /** Takes apart what was read already. */
    private function keep(): void
    {
        while ($this->buffer !== '' && ($message = $this->take()) !== null) {
            $this->kept[] = $message;
        }
    }

    /** Whether something has come that was not read yet, if only the end. */
    private function readable(int $microseconds = 0): bool
    {
        $read = [$this->in];
        $write = $except = null;

        Silence::begin(); // a signal cuts it short, with a warning
        try {
            $seconds = \intdiv($microseconds, 1_000_000);

            return @\stream_select($read, $write, $except, $seconds, $microseconds % 1_000_000) === 1;
        } finally {
            \restore_error_handler();
        }
    }

    /**
     * The next message if one has come; null otherwise. Never waits for the host to begin one.
     *
     * @return list<mixed>|null
     *
     * @throws LinkError
     */
    public function poll(): ?array
    {
        for (;;) {
            $message = $this->kept === [] ? $this->take() : \array_shift($this->kept);
            if ($message !== null || $this->ended) {
                return $message;
            }
            if (!$this->readable()) {
                return null;
            }
            $this->fill();
        }
    }

    /**
     * A message from the bytes at hand.
     *
     * @return list<mixed>|null
     */
    private function take(): ?array
    {
        if ($this->broken !== null) {
            throw $this->broken;
        }
        try {
            return $this->parse();
        } catch (LinkError $e) {
            throw $this->fail($e);
        }
    }

    /** Ends the link, and gives back what is to be thrown. */
    public function fail(LinkError $error): LinkError
    {
        return $this->broken ??= $error;
    }

    /** @return list<mixed>|null */
    private function parse(): ?array
    {
        while ($this->buffer !== '') {
            $length = Frame::length($this->buffer, $this->at, $this->maxFrame);
            if ($length === null) {
                return null;
            }
            $begin = $this->at + 4;
            $end = $begin + $length;
            $size = \strlen($this->buffer);
            if ($end > $size) {
                return null;
            }
            $payload = \substr($this->buffer, $begin, $length);
            if ($end === $size) {
                $this->buffer = '';
                $this->at = 0;
            } else {
                $this->at = $end;
            }
            try {
                $message = $this->codec->message($payload);
            } catch (UnknownMessage $e) {
                if (($reset = $this->unknown($e->name, $e->stream)) !== null) {
                    return $reset;
                }
                continue;
            }
            $this->size = $length;
            switch ($message[0]) {
                case Frame::PING:
                    $this->send([Frame::PONG, 0, $message[2]]);
                    break;
                case Frame::DRAIN:
                    $this->draining = true;

                    return $message;
                case Frame::PONG:
                    break;
                case Frame::REQUEST:
                case Frame::OPEN:
                case Frame::MESSAGE:
                case Frame::CLOSE:
                case Frame::BUFFER:
                    if ($message[1] <= $this->opened || ($message[1] & 1) === 0) {
                        throw new LinkError(Message::name($message[0]) . " on an odd stream above {$this->opened}", "stream {$message[1]}", '4.1');
                    }
                    $this->opened = $message[1];

                    return $message;
                case Frame::RESULT:
                    if ($message[1] > $this->calls || ($message[1] & 1) !== 0) {
                        throw new LinkError('RESULT of a CALL or SWAP', "one on stream {$message[1]}");
                    }

                    return $message;
                case Frame::HELLO:
                case Frame::DATA:
                case Frame::WINDOW:
                case Frame::RESET:
                    return $message;
                default:
                    $name = Message::name($message[0]);
                    if (isset(Message::NAMES[$message[0]])) {
                        throw new LinkError('a message that hosts send', "$name on stream {$message[1]}", '4.6');
                    }
                    if (($reset = $this->unknown($name, $message[1])) !== null) {
                        return $reset;
                    }
            }
        }

        return null;
    }

    /**
     * Refuses a message that this SDK does not know, which gives its stream up (§11.2): so it is as if the host had given it up.
     *
     * @return list<mixed>|null that RESET
     */
    private function unknown(string $name, int $stream): ?array
    {
        $what = "$name, which this SDK does not know";
        if ($stream === 0) {
            $this->send([Frame::LOG, 0, 'warn', "ignored $what"]);

            return null;
        }
        $code = Frame::CODE_UNKNOWN;
        if (($stream & 1) !== 0) {
            $code = $stream > $this->opened ? Frame::CODE_UNKNOWN : Frame::CODE_INTERNAL;
            $this->opened = \max($this->opened, $stream);
        }
        $this->send($reset = [Frame::RESET, $stream, $code, $what]);

        return $reset;
    }

    private function fill(): void
    {
        if ($this->at > 0) {
            $this->buffer = \substr($this->buffer, $this->at);
            $this->at = 0;
        }
        $bytes = @\fread($this->in, 65536);
        $this->looked = \hrtime(true);
        if ($bytes === '' || $bytes === false) {
            // A signal may have cut the read short; only the end is the end.
            if (\feof($this->in)) {
                $this->ended = true;
                $this->lost = !$this->draining;
            }

            return;
        }
        if ($this->buffer === '') {
            $this->buffer = $bytes;
        } else {
            $this->buffer .= $bytes;
        }
    }

    /** Writes a frame from where another one may be on its way, as in a signal's handler: never into the midst of that. */
    public function interject(string $frame): void
    {
        if ($this->writing) {
            $this->interjected .= $frame;
        } else {
            $this->write($frame);
        }
    }

    private function write(string $bytes): void
    {
        do {
            $this->writing = true;
            $this->put($bytes);
            $this->writing = false; // before the look below, so that nothing stays behind
            $bytes = $this->interjected;
            $this->interjected = '';
        } while ($bytes !== '');
    }

    private function put(string $bytes): void
    {
        if ($this->lost) {
            return;
        }
        $written = @\fwrite($this->out, $bytes);
        for ($idle = 0; $written !== \strlen($bytes); $written = @\fwrite($this->out, $bytes)) {
            if ($written > 0) {
                $bytes = \substr($bytes, $written);
                $idle = 0;
            } elseif (++$idle > 10) {
                // Not a signal that cut it short, then: nobody reads any more, and the next read will find the end as well.
                $this->ended = $this->lost = true;

                return;
            }
        }
    }
}
