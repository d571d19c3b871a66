<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http;

/** A piece of a response with `Transfer-Encoding: chunked`; an empty one ends it. */
class Chunk implements \Stringable
{
    public function __construct(protected string $buffer)
    {
    }

    /** Its bytes. How long they are says the host, in whatever HTTP it speaks with the client. */
    public function __toString(): string
    {
        return $this->buffer;
    }
}
