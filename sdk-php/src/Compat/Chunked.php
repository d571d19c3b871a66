<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use WorkerHost\Http\Response;
use WorkerHost\Internal\Requests;

/**
 * @internal A response with `Transfer-Encoding: chunked`. It has an end, so its process waits for that, as a reload
 * does: what breaks off in the middle is never taken for whole.
 */
final class Chunked implements Stream
{
    public function __construct(private readonly Requests $requests, private readonly Response $head)
    {
    }

    public function write(string $bytes): void
    {
        $this->requests->part($this->head, $bytes);
    }

    public function end(): void
    {
    }

    public function isHeld(): bool
    {
        return false;
    }

    public function isThere(): bool
    {
        return $this->requests->request?->isCancelled() === false;
    }

    public function close(): Response
    {
        return $this->head->withBody([]);
    }
}
