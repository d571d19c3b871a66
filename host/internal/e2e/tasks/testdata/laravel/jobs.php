<?php

declare(strict_types=1);

require getenv('SDK') . '/autoload.php';

WorkerHost\Bridge\LaravelJobs::worker(fn () => require __DIR__ . '/bootstrap/app.php', ['default', 'emails'],
    backoff: [0])->run();
