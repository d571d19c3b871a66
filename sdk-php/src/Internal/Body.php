<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\RequestCancelled;

/**
 * @internal A request's body: all of it as a string, bit by bit as a stream, or kept for php://input. Shared by the
 * copies of a request.
 */
final class Body
{
    private ?string $all = null;
    /** @var resource|null */
    private $stream = null;
    /** @var resource|null what php://input reads, if the body was put there */
    private $kept = null;

    /** @param Exchange|string $source where it comes from, or all of it */
    public function __construct(private readonly Exchange|string $source)
    {
        if (\is_string($source)) {
            $this->all = $source;
        }
    }

    /** @throws RequestCancelled */
    public function contents(): string
    {
        if ($this->kept !== null) {
            \rewind($this->kept);

            return (string) \stream_get_contents($this->kept);
        }
        if ($this->all === null) {
            $exchange = $this->source;
            if ($exchange->read > 0) {
                throw new \Error('body() and form need the body from its beginning, and stream() has given some of '
                    . 'it away: use one of them');
            }
            $all = '';
            while (($bytes = $exchange->read(\PHP_INT_MAX)) !== '') {
                $all .= $bytes;
            }
            $this->all = $all;
        }

        return $this->all;
    }

    /** @return resource */
    public function stream()
    {
        if ($this->stream !== null && \is_resource($this->stream)) {
            return $this->stream;
        }
        if ($this->kept !== null) {
            return $this->stream = \fopen('php://input', 'rb');
        }
        if ($this->all === null && ($this->source->read > 0 || !$this->source->whole)) {
            return $this->stream = BodyStream::open($this->source);
        }
        $stream = \fopen('php://memory', 'w+b');
        \fwrite($stream, $this->contents());
        \rewind($stream);

        return $this->stream = $stream;
    }

    /**
     * Puts all of it there, before anybody else has read any.
     *
     * @param resource $stream
     *
     * @throws RequestCancelled
     */
    public function keep($stream): void
    {
        while (($bytes = $this->all ?? $this->source->read(Frame::MAX_DATA)) !== '') {
            if (\fwrite($stream, $bytes) !== \strlen($bytes)) {
                throw new \RuntimeException("PHP's temporary folder has no room for the body, for php://input");
            }
            if ($this->all !== null) {
                return;
            }
        }
        $this->kept = $stream;
    }
}
