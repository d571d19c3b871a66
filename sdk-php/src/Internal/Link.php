<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\CallFailed;
use WorkerHost\Internal\Fibers\Calls;

/**
 * @internal The link to the host (SPEC.md §4, §8, §10.4): what comes off the reader, what goes
 * to the writer, and what is in the backlog meanwhile.
 *
 * Every read of a worker goes through wait() or poll(). They answer PING and note DRAIN and the end by themselves, so
 * whoever waits for something else may not forget to.
 */
final class Link implements Channel
{
    /** After how many nanoseconds a host recalls a request that waits. */
    private const PATIENCE = 1_000_000;

    /** Set once this worker takes up nothing more. */
    public bool $draining = false;
    /** Whether the host knows that: DRAIN came, or ENDING has gone. */
    private bool $known = false;
    /** The stream that was begun last. */
    public int $begun = 0;
    private int $maxActs = Frame::MAX_STAGED;
    private int $maxCalls = Frame::MAX_CALLS;
    private ?Calls $calls = null;
    private readonly FrameReader $reader;
    private readonly FrameWriter $writer;
    private readonly Backlog $backlog;
    private readonly Streams $streams;
    /**
     * Set once the two ends disagree. Kept because user code may catch what is thrown in its midst, and nothing is
     * read after it (§11.1).
     */
    private ?LinkError $broken = null;

    /** How many bytes the message had that was taken last. */
    private int $size = 0;
    /**
     * @param resource $in
     * @param resource $out
     */
    public function __construct($in, $out, private readonly Codec $codec = new Codec())
    {
        $this->reader = new FrameReader($in);
        $this->writer = new FrameWriter($out, $codec);
        $this->backlog = new Backlog($this->writer);
        $this->streams = new Streams();
    }

    /**
     * Begins anew over another link, before anything was taken from this one but HELLO.
     *
     * @param resource $in
     * @param resource $out
     */
    public function reopen($in, $out): void
    {
        $this->reader->open($in);
        $this->writer->open($out);
    }

    /** Gives it up: somebody else has it, or nobody. */
    public function close(): void
    {
        $this->reader->close();
        $this->writer->close();
    }

    /** Whether nothing more will come. */
    public function hasEnded(): bool
    {
        return $this->reader->ended || $this->writer->lost;
    }

    /**
     * Whether the host is gone: it reads no more, or its end came without a DRAIN before it, after which what is at
     * hand may be finished (§8.3).
     */
    public function isLost(): bool
    {
        return $this->writer->lost;
    }

    /** Takes what the host states in HELLO. @param list<mixed> $hello */
    public function greet(array $hello): void
    {
        $this->reader->maxFrame = $this->writer->maxFrame = $hello[6];
        for ($i = \count($hello[11]) - 2; $i >= 0; $i -= 2) { // of two with the same name the first counts
            match ($hello[11][$i]) {
                'acts' => $this->maxActs = $hello[11][$i + 1],
                'ahead' => $this->backlog->maxAhead = $hello[11][$i + 1],
                'calls' => $this->maxCalls = $hello[11][$i + 1],
                default => null, // not of interest here
            };
        }
    }

    public function maxActs(): int
    {
        return $this->maxActs;
    }

    /** Writes bytes as they are: the magic, or frames made by frame(). */
    public function raw(string $bytes, bool $now = false): void
    {
        $this->writer->write($bytes);
        if ($now) {
            $this->writer->flush();
        }
    }

    /**
     * @param list<mixed> $message
     *
     * @throws \LengthException if it is longer than the host takes
     */
    public function frame(array $message): string
    {
        return $this->writer->frame($message);
    }

    /**
     * @param list<mixed> $message
     * @param string      $before frames that go out in front of it, in the same write
     */
    public function send(array $message, string $before = ''): void
    {
        $this->writer->write($before . $this->codec->frame($message));
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
        if ($this->calls !== null) {
            return $this->calls->ask(fn (): int => $this->ask($type, $elements), $this->maxCalls);
        }
        $stream = $this->ask($type, $elements);
        $answer = new Pieces();
        for (;;) {
            while (($message = $this->take()) !== null) {
                if ($message[1] !== $stream) {
                    $this->backlog->kept[] = $message;
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
                    throw new CallFailed('the host knows no connections; it is older than this SDK',
                        CallFailed::UNIMPLEMENTED);
                }
            }
            if ($this->hasEnded()) {
                throw new CallFailed('the host is gone');
            }
            $this->fill();
        }
    }

    /** Sends a question, and says on which stream. @param list<mixed> $elements */
    private function ask(int $type, array $elements): int
    {
        $stream = $this->streams->next();
        if ($stream > Frame::MAX_WINDOW - 4096) {
            $this->end(); // numbers only grow (§4.1): another worker has to go on
        }
        $this->writer->write($this->writer->frame([$type, $stream, ...$elements]));

        return $stream;
    }

    /** From here on several may ask at a time, and $calls has what is under way; null: one again. */
    public function answers(?Calls $calls): void
    {
        $this->calls = $calls;
    }

    /**
     * From here on what is sent waits for flush().
     *
     * @param \Closure(): void $told is called when something begins to wait
     *
     * @return resource what is to be read from
     */
    public function gather(\Closure $told)
    {
        $this->writer->gather($told);

        return $this->reader->watched();
    }

    /** Reads what comes within so many microseconds. */
    public function pull(int $microseconds): void
    {
        if (!$this->hasEnded() && $this->reader->readable($microseconds)) {
            $this->fill();
        }
    }

    /** Ends what gather() has begun, for what is sent. */
    public function scatter(): void
    {
        $this->writer->scatter();
    }

    /** Writes what has gathered. */
    public function flush(): void
    {
        $this->writer->flush();
    }

    /** A message of what was read; null if there is none. @return list<mixed>|null @throws LinkError */
    public function receive(): ?array
    {
        return $this->backlog->kept === [] ? $this->take() : \array_shift($this->backlog->kept);
    }

    /** How many bytes the message had that receive() has given last. */
    public function size(): int
    {
        return $this->size;
    }

    /**
     * Waits so many microseconds at the most; whether there is something to be taken up by next(), if only the end.
     */
    public function await(int $microseconds): bool
    {
        if ($this->backlog->isEmpty() && !$this->hasEnded()) {
            $this->keep();
            if ($this->backlog->isEmpty() && $this->reader->readable($microseconds)) {
                $this->fill();
                $this->keep();
            }
        }

        return !$this->backlog->isEmpty() || $this->hasEnded();
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
            $message = $this->backlog->kept === [] ? $this->take() : \array_shift($this->backlog->kept);
            if ($message !== null) {
                return $message;
            }
            if ($this->reader->ended || $this->writer->lost) {
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
        return $this->backlog->ahead === [] ? $this->wait() : \array_shift($this->backlog->ahead);
    }

    /**
     * A message that was kept, if there is one.
     *
     * @return list<mixed>|null
     */
    public function held(): ?array
    {
        return \array_shift($this->backlog->ahead);
    }

    /**
     * Keeps a REQUEST that came ahead.
     *
     * @param list<mixed> $request
     */
    public function hold(array $request): void
    {
        try {
            $this->backlog->hold($request);
        } catch (LinkError $e) {
            throw $this->fail($e);
        }
    }

    /**
     * Forgets a REQUEST or an event that was kept, if it is there: then this gives it back.
     *
     * @param list<mixed> $reset the RESET for it
     */
    public function drop(array $reset): void
    {
        $this->backlog->drop($reset);
    }

    /**
     * Whether a RESET for the stream stands behind its REQUEST in what was read already. If the last read is long ago
     * the request has waited behind another one, and is likely to have been recalled since: then what has come is read
     * first. What was recalled is given back.
     */
    public function recalled(int $stream): bool
    {
        if ($this->reader->buffer !== '') {
            $this->keep();
        }
        if (\hrtime(true) - $this->reader->looked > self::PATIENCE) {
            while (!$this->hasEnded() && $this->reader->readable()) {
                $this->fill();
                $this->keep();
            }
            $this->reader->looked = \hrtime(true);
        }

        return $this->backlog->kept !== [] && $this->backlog->recalled($stream);
    }

    /**
     * Takes up nothing more, since this worker ends by itself, and says so unless the host knows: it gives what was
     * not begun to another one, read or not (§8.5).
     */
    public function end(): void
    {
        $this->draining = true;
        if (!$this->known && !$this->writer->lost && $this->broken === null) {
            $this->known = true;
            $this->send([Frame::ENDING, 0, $this->begun]);
        }
    }

    /** For the one exchange at hand: what belongs to others is seen to. */
    public function hear(bool $wait): ?array
    {
        while (($message = $wait ? $this->wait() : $this->poll()) !== null) {
            if (Frame::opens($message[0])) {
                $this->hold($message); // handed ahead (§4.5)
                continue;
            }
            if ($message[0] === Frame::RESET) {
                $this->drop($message);
            }

            return $message;
        }

        return null;
    }

    /** Takes apart what was read already. */
    private function keep(): void
    {
        while ($this->reader->buffer !== '' && ($message = $this->take()) !== null) {
            $this->backlog->kept[] = $message;
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
            $message = $this->backlog->kept === [] ? $this->take() : \array_shift($this->backlog->kept);
            if ($message !== null || $this->hasEnded()) {
                return $message;
            }
            if (!$this->reader->readable()) {
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
            return $this->reader->buffer === '' ? null : $this->parse();
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
        while (($payload = $this->reader->payload()) !== null) {
            try {
                $message = $this->codec->message($payload);
            } catch (UnknownMessage $e) {
                if (($reset = $this->unknown($e->name, $e->stream)) !== null) {
                    return $reset;
                }
                continue;
            }
            $this->size = \strlen($payload);
            switch ($message[0]) {
                case Frame::PING:
                    $this->send([Frame::PONG, 0, $message[2]]);
                    break;
                case Frame::DRAIN:
                    $this->draining = $this->known = true;

                    return $message;
                case Frame::PONG:
                    break;
                case Frame::REQUEST:
                case Frame::OPEN:
                case Frame::MESSAGE:
                case Frame::CLOSE:
                case Frame::BUFFER:
                case Frame::FETCHED:
                case Frame::TASK:
                    $this->streams->open($message);

                    return $message;
                case Frame::RESULT:
                    $this->streams->answer($message);

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
     * Refuses a message that this SDK does not know, which gives its stream up (§11.2): so it is as if the host had
     * given it up.
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
        $this->send($reset = [Frame::RESET, $stream, $this->streams->refuse($stream), $what]);

        return $reset;
    }

    /** Reads what has come, or waits for it. */
    public function fill(): void
    {
        $this->reader->fill();
        if ($this->reader->ended && !$this->draining) {
            $this->writer->lost = true;
        }
    }

    /** Writes a frame from where another one may be on its way, as in a signal's handler. */
    public function interject(string $frame): void
    {
        $this->writer->interject($frame);
    }
}
