<?php

declare(strict_types=1);

namespace WorkerHost;

/**
 * Nobody waits for the answer any more: the client has left, the request's time is up, or the host is gone.
 *
 * Thrown by reads of the request's body. A handler need not catch it: the SDK ends the request quietly.
 */
final class RequestCancelled extends \RuntimeException
{
}
