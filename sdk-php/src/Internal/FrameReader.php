<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal Payloads of frames off a descriptor (SPEC.md §1, §2). */
final class FrameReader
{
    public int $maxFrame = Frame::MAX;
    /** Set once nothing more will come. */
    public bool $ended = false;
    /** When the pipe was looked into last, in nanoseconds. */
    public int $looked = 0;
    /** What was read, of which payload() has taken the beginning; empty once it has taken all. */
    public string $buffer = '';

    private int $at = 0;

    /** @var resource|null */
    private $in = null;

    /** @param resource $in */
    public function __construct($in)
    {
        $this->open($in);
    }

    /** Begins anew, with another link. @param resource $in */
    public function open($in): void
    {
        \stream_set_blocking($in, true);
        // Frames are read whole; PHP's own buffer would only copy them once more.
        \stream_set_read_buffer($in, 0);
        $this->in = $in;
        $this->ended = false;
        $this->buffer = '';
        $this->at = 0;
    }

    /** Gives the link up. */
    public function close(): void
    {
        if (\is_resource($this->in)) {
            \fclose($this->in);
        }
        $this->in = null;
        $this->ended = true;
    }

    /**
     * The payload of the next frame, of which the beginning is at hand; null if it is not whole.
     *
     * @throws LinkError
     */
    public function payload(): ?string
    {
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

        return $payload;
    }

    /** @return resource what fill() reads */
    public function watched()
    {
        return $this->in;
    }

    /** Waits for bytes, or for the end. */
    public function fill(): void
    {
        if ($this->at > 0) {
            $this->buffer = \substr($this->buffer, $this->at);
            $this->at = 0;
        }
        $bytes = @\fread($this->in, 65536);
        $this->looked = \hrtime(true);
        if ($bytes === '' || $bytes === false) {
            // A signal may have cut the read short; only the end is the end.
            $this->ended = \feof($this->in);
        } elseif ($this->buffer === '') {
            $this->buffer = $bytes;
        } else {
            $this->buffer .= $bytes;
        }
    }

    /** Whether something comes within so many microseconds that was not read yet, if only the end. */
    public function readable(int $microseconds = 0): bool
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
}
