<?php

declare(strict_types=1);

namespace Workerman\Connection;

/** Not there: what a program may name it for, and what to use. */
class AsyncTcpConnection
{
    /** @param array<string, mixed> $socketContext */
    public function __construct(string $remoteAddress, array $socketContext = [])
    {
        throw new \Error("AsyncTcpConnection (to $remoteAddress) is not there under this host: its workers have no "
            . 'event loop for sockets of their own. Use a client that may wait (curl, PDO, Redis, '
            . 'stream_socket_client()), which holds this worker meanwhile; and for what workers say to each other\'s '
            . 'clients, GatewayWorker\\Lib\\Gateway or $worker->connections');
    }
}
