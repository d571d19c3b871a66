<?php

declare(strict_types=1);

use Monolog\Handler\StreamHandler;

// php-fpm hands what comes there to the host's log.
return [
    'default' => 'stderr',
    'channels' => [
        'stderr' => ['driver' => 'monolog', 'handler' => StreamHandler::class, 'with' => ['stream' => 'php://stderr']],
    ],
];
