<?php

declare(strict_types=1);

// Makes the application: its middleware, and its routes.

use Psr\Http\Message\UploadedFileInterface;
use Slim\App;
use Slim\Http\Request;
use Slim\Http\Response;

return static function (): App {
    $app = new App(); // which binds its routes' closures to the container: they can't be static

    $app->add(function (Request $request, Response $response, callable $next): Response {
        session_start(['cookie_httponly' => true, 'cookie_samesite' => 'Lax']);
        try {
            return $next($request, $response);
        } finally {
            session_write_close();
        }
    });

    $app->get('/', function (Request $request, Response $response): Response {
        $_SESSION['visits'] = 1 + ($_SESSION['visits'] ?? 0);
        $_SESSION['token'] ??= bin2hex(random_bytes(16));
        $notes = implode('', array_map(
            static fn (string $note): string => '<li>' . htmlspecialchars($note), $_SESSION['notes'] ?? []));
        $hello = $this->get('router')->pathFor('hello', ['name' => 'Ada']);

        return $response->write(<<<HTML
            <!doctype html><title>Slim</title><link rel="stylesheet" href="/style.css">
            <h1>Slim, resident</h1>
            <p>Visit {$_SESSION['visits']} of this browser. <a href="$hello">Hello</a></p>
            <ul>$notes</ul>
            <form method="post" action="/notes"><input type="hidden" name="token" value="{$_SESSION['token']}">
            <input name="note" maxlength="200"><button>Keep</button></form>
            HTML);
    });

    $app->get('/hello/{name}', fn (Request $request, Response $response, array $values): Response =>
        $response->withJson(['hello' => $values['name'], 'query' => $request->getQueryParams(),
            'client' => $request->getServerParam('REMOTE_ADDR')]))->setName('hello');

    $app->post('/notes', function (Request $request, Response $response): Response {
        $note = trim((string) $request->getParsedBodyParam('note', ''));
        if (!hash_equals($_SESSION['token'] ?? '', (string) $request->getParsedBodyParam('token', ''))) {
            return $response->withStatus(403)->write('The form has expired.');
        }
        if ($note === '' || strlen($note) > 200) {
            return $response->withStatus(422)->write('A note has 1 to 200 bytes.');
        }
        $_SESSION['notes'][] = $note;

        return $response->withRedirect('/', 303);
    });

    $app->post('/upload', function (Request $request, Response $response): Response {
        $file = $request->getUploadedFiles()['file'] ?? null;
        if (!$file instanceof UploadedFileInterface || $file->getError() !== UPLOAD_ERR_OK) {
            return $response->withJson(['error' => 'give a file'], 422);
        }

        return $response->withJson(['title' => $request->getParsedBodyParam('title'), 'size' => $file->getSize(),
            'name' => $file->getClientFilename(), 'sha256' => hash('sha256', (string) $file->getStream())], 201);
    });

    $app->get('/broken', function (): never {
        throw new RuntimeException('the database at db.example.internal is gone');
    });

    return $app;
};
