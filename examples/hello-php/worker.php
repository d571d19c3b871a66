<?php

declare(strict_types=1);

// The smallest worker: `host serve examples/hello-php`, then open http://127.0.0.1:8080/.

use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';

Worker::create()
    ->onRequest(fn (Request $request): Response =>
        Response::text('Hello, World!', headers: ['Content-Type' => 'text/plain']))
    ->run();
