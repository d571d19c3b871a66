<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use WorkerHost\Http\Response;
use WorkerHost\RequestCancelled;

/** @internal A response that a program sends in pieces. */
interface Stream
{
    /** Sends more of its body. @throws RequestCancelled if its client has left */
    public function write(string $bytes): void;

    /** Ends it, as if it were whole. */
    public function end(): void;

    /** Whether it may go on when the request's handler has returned, without this process waiting for its end. */
    public function isHeld(): bool;

    /** Whether its client is there still. */
    public function isThere(): bool;

    /** What the handler of its request returns: its end, or what the host holds from then on. */
    public function close(): Response;
}
