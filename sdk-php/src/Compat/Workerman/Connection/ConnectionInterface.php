<?php

declare(strict_types=1);

namespace Workerman\Connection;

/** What a program speaks to a client through. */
abstract class ConnectionInterface
{
    public ?string $protocol = null;
    /** @var callable|null */
    public $onMessage = null;
    /** @var callable|null */
    public $onClose = null;
    /** @var callable|null */
    public $onError = null;

    /** @return bool|null whether it was taken; null if the protocol made nothing of it */
    abstract public function send(mixed $sendBuffer, bool $raw = false): ?bool;

    /** Closes, after what was sent and after $data. */
    abstract public function close(mixed $data = null, bool $raw = false): void;

    abstract public function getRemoteAddress(): string;

    abstract public function getLocalAddress(): string;

    public function getRemoteIp(): string
    {
        return self::ip($this->getRemoteAddress());
    }

    public function getRemotePort(): int
    {
        return self::port($this->getRemoteAddress());
    }

    public function getLocalIp(): string
    {
        return self::ip($this->getLocalAddress());
    }

    public function getLocalPort(): int
    {
        return self::port($this->getLocalAddress());
    }

    public function isIpV4(): bool
    {
        return !$this->isIpV6();
    }

    public function isIpV6(): bool
    {
        return \str_contains($this->getRemoteIp(), ':');
    }

    private static function ip(string $address): string
    {
        $end = \strrpos($address, ':');

        return $end === false ? '' : \trim(\substr($address, 0, $end), '[]');
    }

    private static function port(string $address): int
    {
        $end = \strrpos($address, ':');

        return $end === false ? 0 : (int) \substr($address, $end + 1);
    }
}
