<?php

declare(strict_types=1);

namespace App;

use WorkerHost\Http\{Request, Response};

/** The notes as JSON. */
final class Api
{
    public function __construct(private readonly Notes $notes)
    {
    }

    public static function valid(mixed $text): bool
    {
        return is_string($text) && preg_match('/^.{1,200}$/Dsu', $text) === 1;
    }

    public function all(Request $request): Response
    {
        $notes = $this->notes->all();

        return Response::json(array_map(self::note(...), array_keys($notes), $notes));
    }

    public function show(Request $request): Response
    {
        $id = (int) $request->attribute('id');
        $text = $this->notes->all()[$id] ?? null;

        return $text === null ? self::missing() : Response::json(self::note($id, $text));
    }

    public function create(Request $request): Response
    {
        $text = json_decode($request->body(), true)['text'] ?? null;
        if (!self::valid($text)) {
            return self::invalid();
        }
        $id = $this->notes->add($text);

        return Response::json(self::note($id, $text), 201, ['Location' => "/api/notes/$id"]);
    }

    public function change(Request $request): Response
    {
        $id = (int) $request->attribute('id');
        $text = json_decode($request->body(), true)['text'] ?? null;
        if (!self::valid($text)) {
            return self::invalid();
        }

        return $this->notes->set($id, $text) ? Response::json(self::note($id, $text)) : self::missing();
    }

    public function delete(Request $request): Response
    {
        return $this->notes->set((int) $request->attribute('id'), null) ? new Response(204) : self::missing();
    }

    /** @return array{id: int, text: string} */
    private static function note(int $id, string $text): array
    {
        return ['id' => $id, 'text' => $text];
    }

    private static function missing(): Response
    {
        return Response::json(['error' => 'There is no such note.'], 404);
    }

    private static function invalid(): Response
    {
        return Response::json(['error' => 'Send {"text": "…"} with 1 to 200 characters of UTF-8.'], 422);
    }
}
