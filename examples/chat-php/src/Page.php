<?php

declare(strict_types=1);

namespace Chat;

use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

/** The page of a room: /?room=kitchen. All that moves in it is public/chat.js. */
final class Page
{
    private const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src "
        . "'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    public function __construct(private readonly Worker $worker)
    {
    }

    public function __invoke(Request $request): Response
    {
        $file = __DIR__ . '/../public' . $request->path;

        return match ($request->path) {
            '/' => $this->room($request->query['room'] ?? 'lobby'),
            '/chat.css', '/chat.js', '/chat.svg' => Response::file($file, headers: ['Cache-Control' => 'no-cache']),
            '/chat' => Response::text("This address is for WebSockets.\n", 426, ['Upgrade' => 'websocket']),
            default => Response::text("There is no such page.\n", 404),
        };
    }

    private function room(mixed $room): Response
    {
        if (!is_string($room) || !isset(Chat::ROOMS[$room])) {
            return Response::text("There is no such room.\n", 404);
        }
        $generation = $this->worker->place()->generation;
        ob_start();
        require __DIR__ . '/../page.php';

        return Response::html((string) ob_get_clean(),
            headers: ['Cache-Control' => 'no-cache', 'Content-Security-Policy' => self::POLICY]);
    }
}
