<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http\Session;

/** Where sessions of HTTP are kept, as PHP's own interface has it. */
interface SessionHandlerInterface extends \SessionHandlerInterface
{
    public function updateTimestamp(string $sessionId, string $data = ''): bool;
}
