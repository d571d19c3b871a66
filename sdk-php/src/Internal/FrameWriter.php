<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal Frames onto a descriptor (SPEC.md §1, §2), each of them whole. */
final class FrameWriter
{
    /** How many bytes of frames wait for others at the most. */
    private const MOST_GATHERED = 65536;

    /** The longest payload that the host takes. */
    public int $maxFrame = Frame::MAX;
    /** Set once the host is gone: nothing is written any more. */
    public bool $lost = false;

    /** Set while a frame is on its way, and what a signal's handler had to say meanwhile. */
    private bool $writing = false;
    private string $interjected = '';

    /** @var (\Closure(): void)|null what is told that frames wait for flush(); null: none does */
    private ?\Closure $gathers = null;
    private string $gathered = '';

    /** @var resource|null */
    private $out = null;

    /** @param resource $out */
    public function __construct($out, private readonly Codec $codec)
    {
        $this->open($out);
    }

    /** Begins anew, with another link. @param resource $out */
    public function open($out): void
    {
        \stream_set_blocking($out, true);
        // Frames are written whole; PHP's own buffer would only copy them once more.
        \stream_set_write_buffer($out, 0);
        $this->out = $out;
        $this->lost = false;
    }

    /** Gives the link up: from here on nothing is written. */
    public function close(): void
    {
        if (\is_resource($this->out)) {
            \fclose($this->out);
        }
        $this->out = null;
        $this->lost = true;
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
            throw new \LengthException(Message::name($message[0]) . ' is ' . (\strlen($frame) - 4)
                . " bytes long, and the host takes {$this->maxFrame} at the most");
        }

        return $frame;
    }

    /** Writes a frame from where another one may be on its way, as in a signal's handler: never into its midst. */
    public function interject(string $frame): void
    {
        if ($this->writing) {
            $this->interjected .= $frame;
        } else {
            $this->write($frame);
            $this->flush();
        }
    }

    /**
     * From here on frames wait for flush(), so that several go out in one write.
     *
     * @param \Closure(): void $told is called when some begin to wait
     */
    public function gather(\Closure $told): void
    {
        $this->gathers = $told;
    }

    /** From here on they do not wait again. */
    public function scatter(): void
    {
        $this->gathers = null;
        $this->flush();
    }

    /** Writes what was gathered. */
    public function flush(): void
    {
        if ($this->gathered !== '') {
            [$bytes, $told] = [$this->gathered, $this->gathers];
            $this->gathered = '';
            $this->gathers = null;
            $this->write($bytes);
            $this->gathers = $told;
        }
    }

    /** Writes bytes as they are: the magic, or frames. */
    public function write(string $bytes): void
    {
        if ($this->gathers !== null) {
            $this->keep($bytes);

            return;
        }
        do {
            $this->writing = true;
            if (!$this->lost && ($written = @\fwrite($this->out, $bytes)) !== \strlen($bytes)) {
                $this->finish($bytes, $written);
            }
            $this->writing = false; // before the look below, so that nothing stays behind
            $bytes = $this->interjected;
            $this->interjected = '';
        } while ($bytes !== '');
    }

    private function keep(string $bytes): void
    {
        $first = $this->gathered === '';
        $this->gathered .= $bytes;
        if (\strlen($this->gathered) >= self::MOST_GATHERED) {
            $this->flush();
        } elseif ($first) {
            ($this->gathers)();
        }
    }

    /** Writes the rest, after the first try has written so much. */
    private function finish(string $bytes, int|false $written): void
    {
        for ($idle = 0; $written !== \strlen($bytes); $written = @\fwrite($this->out, $bytes)) {
            if ($written > 0) {
                $bytes = \substr($bytes, $written);
                $idle = 0;
            } elseif (++$idle > 10) {
                // Not a signal that cut it short, then: nobody reads any more, and the next read will find the end,
                // too.
                $this->lost = true;

                return;
            }
        }
    }
}
