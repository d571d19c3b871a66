<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\RequestCancelled;

/** @internal A request's body: all of it as a string, or bit by bit as a stream. Shared by the copies of a request. */
final class Body
{
    private ?string $all = null;
    /** @var resource|null */
    private $stream = null;

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
        if ($this->all === null) {
            $exchange = $this->source;
            if ($exchange->read > 0) {
                throw new \Error('body() and form need the body from its beginning, and stream() has given some of it away: use one of them');
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
        if ($this->all === null && ($this->source->read > 0 || !$this->source->whole)) {
            return $this->stream = BodyStream::open($this->source);
        }
        $stream = \fopen('php://memory', 'w+b');
        \fwrite($stream, $this->contents());
        \rewind($stream);

        return $this->stream = $stream;
    }
}
