<?php

declare(strict_types=1);

namespace GatewayWorker;

use Workerman\Worker;

/** The processes that run the program's Events class. */
class BusinessWorker extends Worker
{
    /** @var string|list<string> */
    public string|array $registerAddress = '127.0.0.1:1236';
    /** The class with onMessage() and its like. */
    public string|object $eventHandler = 'Events';
    public string $secretKey = '';
    public int|float $sendToGatewayBufferSize = 10240000;
    /** @var array<string, mixed> there are none */
    public array $gatewayConnections = [];
    public int $processTimeout = 30;
    /** @var callable|null */
    public $processTimeoutHandler = null;
    /** Where the file of the class is looked for that no autoloader finds. @internal */
    public readonly string $folder;

    /** @param array<string, mixed> $socketContext */
    public function __construct(?string $socketName = null, array $socketContext = [])
    {
        $this->folder = \dirname(\debug_backtrace(\DEBUG_BACKTRACE_IGNORE_ARGS, 1)[0]['file'] ?? '');
        parent::__construct(null, $socketContext);
    }
}
