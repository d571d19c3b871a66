<?php

declare(strict_types=1);

return [
    'default' => env('QUEUE_CONNECTION', 'sync'),
    'connections' => ['workerhost' => ['driver' => 'workerhost', 'queue' => 'default']],
    'failed' => ['driver' => 'noted'],
];
