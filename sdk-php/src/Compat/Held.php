<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use WorkerHost\Http\Response;

/**
 * @internal A response of server-sent events, which has no end of its own. The host holds it (SPEC.md §10.6), and this
 * process, which is free for other requests, writes to it for as long as it lives.
 */
final class Held implements Stream
{
    /** Whether the host has it; until then its request is at hand. */
    private bool $handed = false;
    private bool $ended = false;

    public function __construct(
        private readonly Streams $streams,
        public readonly string $name,
        public readonly HttpConnection $connection,
        private readonly Response $head,
    ) {
    }

    public function write(string $bytes): void
    {
        if ($this->handed) {
            $this->streams->write($this->name, $bytes);
        } else {
            $this->streams->requests()->part($this->head, $bytes);
        }
    }

    public function end(): void
    {
        $this->ended = true;
        if ($this->handed) {
            $this->streams->end($this->name);
        }
    }

    public function isHeld(): bool
    {
        return true;
    }

    public function isThere(): bool
    {
        return !$this->handed || !$this->ended && $this->streams->has($this->name);
    }

    public function close(): Response
    {
        $this->handed = true;
        if ($this->ended) {
            Program::later(0, fn () => $this->streams->end($this->name), false); // it has to be there first
        }

        return $this->head;
    }
}
