<?php

declare(strict_types=1);

namespace Workerman\Connection;

use WorkerHost\Connection;

/** The sender of a datagram, who can be answered while it is handled, and no more. */
class UdpConnection extends ConnectionInterface implements \JsonSerializable
{
    public string $transport = 'udp';

    /** @internal */
    public function __construct(private readonly Connection $client)
    {
    }

    public function send(mixed $sendBuffer, bool $raw = false): ?bool
    {
        if (!$raw && $this->protocol !== null) {
            $sendBuffer = $this->protocol::encode($sendBuffer, $this);
        }
        $this->client->send((string) $sendBuffer);

        return true;
    }

    public function close(mixed $data = null, bool $raw = false): void
    {
        if ($data !== null) {
            $this->send($data, $raw);
        }
    }

    public function getRemoteAddress(): string
    {
        return $this->client->remoteAddress;
    }

    public function getLocalAddress(): string
    {
        return $this->client->listener;
    }

    /** @return array<string, mixed> */
    public function jsonSerialize(): array
    {
        return ['transport' => 'udp', 'getRemoteIp' => $this->getRemoteIp(), 'remotePort' => $this->getRemotePort()];
    }
}
