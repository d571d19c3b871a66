<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Handler;

/**
 * @internal A handler whose code was written for a web server, as that of frameworks is: the superglobals are the
 * request's, what it prints is part of the response, and header(), cookies and PHP's sessions are heard. php://input
 * alone stays empty, since the body is read as it comes; Worker::superglobals() fills that, too.
 */
interface WebCode extends Handler
{
}
