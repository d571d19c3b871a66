<?php

declare(strict_types=1);

// A small application: pages, a JSON API, a form with an upload, a streamed download. README.md says how to try it.
// This file runs once per worker; what it makes here lives until the worker is replaced.

use App\{Api, Home, Notes, Report, Router, Uploads};
use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'App\\')) {
        require __DIR__ . '/src/' . substr($class, 4) . '.php';
    }
});

// What has to outlive a worker, and a release, is kept outside both.
$data = getenv('APP_DATA') ?: __DIR__ . '/var';
$notes = new Notes("$data/notes.json");
$home = new Home($notes);
$api = new Api($notes);
$uploads = new Uploads("$data/uploads");

$router = new Router();
$router->add('GET', '/', $home->index(...));
$router->add('POST', '/notes', $home->add(...));
$router->add('GET', '/slow', $home->slow(...));
$router->add('GET', '/broken', $home->broken(...));
$router->add('GET', '/api/notes', $api->all(...));
$router->add('POST', '/api/notes', $api->create(...));
$router->add('GET', '/api/notes/{id}', $api->show(...));
$router->add('PUT', '/api/notes/{id}', $api->change(...));
$router->add('DELETE', '/api/notes/{id}', $api->delete(...));
$router->add('GET', '/upload', $uploads->form(...));
$router->add('POST', '/upload', $uploads->receive(...));
$router->add('GET', '/uploads/{name}', $uploads->download(...));
$router->add('GET', '/report.csv', (new Report())->csv(...));
// Only asked for where the host was started without host.toml, whose `public` serves this file itself.
$router->add('GET', '/app.css', fn (Request $request): Response => Response::file(__DIR__ . '/public/app.css'));

Worker::create()
    ->onStart(static function () use ($data): void {
        if (!is_dir("$data/uploads") && !@mkdir("$data/uploads", 0770, true) && !is_dir("$data/uploads")) {
            throw new RuntimeException("can't create $data/uploads: make it, or name another folder in APP_DATA");
        }
    })
    ->onRequest($router)
    ->run();
