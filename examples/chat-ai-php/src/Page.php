<?php

declare(strict_types=1);

namespace ChatAi;

use WorkerHost\Http\{Request, Response};
use WorkerHost\Worker;

/** Who asks, and for what. All that moves in the page is public/chat.js. */
final class Page
{
    /** Change this and run `host reload` in the midst of an answer: the next page has the new one. */
    public const GREETING = 'What would you like to know?';

    private const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src "
        . "'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    public function __construct(
        private readonly Worker $worker,
        private readonly Chat $chat,
        private readonly Store $store,
        private readonly Model $model,
    ) {
    }

    public function __invoke(Request $request): Response
    {
        $visitor = $request->cookies['visitor'] ?? '';
        $known = is_string($visitor) && preg_match('/^[0-9a-f]{32}$/D', $visitor) === 1;
        if (preg_match('~^/turns/([\w-]{16,64})$~D', $request->path, $match) === 1) {
            return match (true) {
                !$known => Response::json(['error' => 'Load the page first.'], 403),
                $request->method === 'POST' => $this->chat->ask($request, $visitor, $match[1]),
                default => $this->turn($visitor, $match[1]),
            };
        }
        $file = __DIR__ . '/../public' . $request->path;

        return match ($request->path) {
            '/' => $known ? $this->page($visitor) : $this->welcome($request),
            '/forget' => $this->forget($request->method, $known ? $visitor : ''),
            '/chat.css', '/chat.js', '/markdown.js', '/chat.svg' => Response::file($file,
                headers: ['Cache-Control' => 'no-cache']),
            default => Response::text("There is no such page.\n", 404),
        };
    }

    /** An application has a cookie of its own for who is signed in. This one gives each browser a name. */
    private function welcome(Request $request): Response
    {
        $visitor = bin2hex(random_bytes(16));

        return $this->page($visitor)->withCookie('visitor', $visitor, maxAge: 30 * 86400,
            secure: $request->scheme === 'https', sameSite: 'Strict');
    }

    private function page(string $visitor): Response
    {
        $turns = array_map(self::shown(...), $this->store->conversation($visitor));
        $generation = $this->worker->place()->generation;
        $model = $this->model->name;
        ob_start();
        require __DIR__ . '/../page.php';

        return Response::html((string) ob_get_clean(), headers: ['Cache-Control' => 'no-store',
            'Content-Security-Policy' => self::POLICY, 'X-Content-Type-Options' => 'nosniff',
            'Referrer-Policy' => 'no-referrer']);
    }

    private function turn(string $visitor, string $id): Response
    {
        $turn = $this->store->turn($visitor, $id);

        return Response::json($turn === null ? ['error' => 'There is no such question.'] : self::shown($turn),
            $turn === null ? 404 : 200, ['Cache-Control' => 'no-store']);
    }

    private function forget(string $method, string $visitor): Response
    {
        if ($method !== 'POST') {
            return Response::text("Only POST.\n", 405, ['Allow' => 'POST']);
        }
        $this->store->forget($visitor);

        return Response::redirect('/', 303);
    }

    /**
     * @param array<string, mixed> $turn
     *
     * @return array<string, mixed> what the page shows of a turn
     */
    private static function shown(array $turn): array
    {
        $facts = [];
        if ($turn['answer'] !== '') {
            $facts[] = sprintf('%.1f s', $turn['seconds']);
            if ($turn['tokens'] > 0) {
                $facts[] = $turn['tokens'] . ' tokens';
            }
            $facts[] = $turn['asked_by'] === $turn['kept_by'] ? "generation $turn[asked_by]"
                : "asked by generation $turn[asked_by], kept by generation $turn[kept_by]";
        }

        return ['id' => $turn['id'], 'question' => $turn['question'], 'state' => $turn['state'],
            'answer' => $turn['answer'], 'note' => $turn['note'], 'facts' => implode(' · ', $facts)];
    }
}
