<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Http\Request;

/**
 * What onRequest() may be given in place of a function, where the code that answers has a start and an end of its own.
 *
 * The bridges are such handlers.
 */
interface Handler
{
    /** Runs once, after the functions given to onStart() and before the worker is ready; a throw is a failed boot. */
    public function start(): void;

    /** Answers one request, as a function given to onRequest() does. */
    public function __invoke(Request $request): mixed;

    /** Runs once, before the functions given to onStop(). */
    public function stop(): void;
}
