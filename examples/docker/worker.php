<?php

declare(strict_types=1);

// The application of the image: replace it by yours.

use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

require __DIR__ . '/workerhost/autoload.php';

Worker::create()
    ->onRequest(fn (Request $request): Response => Response::text("Hello from a container!\n"))
    ->run();
