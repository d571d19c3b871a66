<?php

declare(strict_types=1);

namespace WorkerHost;

/**
 * Nobody waits for the answer any more: the client has left, the request's time is up, or the host is gone.
 *
 * Thrown by reads of the request's body, and, with Worker::concurrency(), where a fiber waits in Async or for the
 * host. A handler need not catch it: the SDK ends the request quietly. A function of Async::all() gets it as well when
 * another one has thrown.
 */
final class RequestCancelled extends \RuntimeException
{
}
