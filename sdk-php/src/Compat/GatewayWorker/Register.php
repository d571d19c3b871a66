<?php

declare(strict_types=1);

namespace GatewayWorker;

use Workerman\Worker;

/** Of no effect: the host knows its clients itself, so that Gateways and BusinessWorkers need not find each other. */
class Register extends Worker
{
    public string $secretKey = '';
}
