<?php

declare(strict_types=1);

// The shop: a worker of the SDK, which knows nothing of the sites beside it.

use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

require __DIR__ . '/../../../sdk-php/autoload.php';

$page = <<<'HTML'
    <!doctype html>
    <title>Shop</title>
    <link rel="stylesheet" href="/assets/shop.css">
    <h1>Shop</h1>
    <ul id="items"></ul>
    <script>
        fetch('/api/v1/items').then(r => r.json()).then(items => items.forEach(item =>
            document.querySelector('#items').append(Object.assign(document.createElement('li'), {textContent: item}))))
    </script>
    HTML;

Worker::create()
    ->onRequest(fn (Request $request): Response => $request->path === '/'
        ? Response::html($page)
        : Response::text("The shop has no $request->path.\n", 404))
    ->run();
