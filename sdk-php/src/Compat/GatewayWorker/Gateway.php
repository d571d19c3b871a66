<?php

declare(strict_types=1);

namespace GatewayWorker;

use Workerman\Worker;

/**
 * An address of the BusinessWorker with the same registerAddress. What it says of processes and of the way to them is
 * of no effect; its callbacks are those of the program's Events class.
 */
class Gateway extends Worker
{
    public const ROUTER_RANDOM = 'router_random';
    public const ROUTER_LEAST_CONNECTIONS = 'router_least_connections';
    /** The host gives an event to whoever is free. */
    public static string $selectLoadBalancingMode = self::ROUTER_LEAST_CONNECTIONS;
    public string $lanIp = '127.0.0.1';
    public string $innerTcpWorkerListen = '';
    public int|string $lanPort = 0;
    public int $startPort = 2000;
    /** @var string|list<string> */
    public string|array $registerAddress = '127.0.0.1:1236';
    public bool $reloadable = false;
    /** The host pings WebSockets itself: ping_interval and idle_timeout of the listener. */
    public int $pingInterval = 0;
    public int $pingNotResponseLimit = 0;
    public mixed $pingData = '';
    public string $secretKey = '';
    /** @var callable|null */
    public $router = null;
    /** @var callable|null */
    public $onBusinessWorkerConnected = null;
    /** @var callable|null */
    public $onBusinessWorkerClose = null;
    public int|float $sendToWorkerBufferSize = 10240000;
    public int|float $sendToClientBufferSize = 1024000;
    public bool $protocolAccelerate = false;
}
