<?php

declare(strict_types=1);

// A Slim 3 application in a worker, by FrankenPHP's API. Its container keeps the request, so each request has an
// application of its own; its code is loaded once. Under php-fpm this file would be the one line: $make()->run().

require __DIR__ . '/src/autoload.php';
$make = require __DIR__ . '/src/app.php';
while (frankenphp_handle_request(static fn () => $make()->run())) {
}
