<?php

declare(strict_types=1);

namespace ChatAi;

use WorkerHost\{Fetched, Log, Worker};
use WorkerHost\Http\{Request, Response};

/**
 * A question's way. ask() says what to fetch and is done; the host streams the answer to the page; fetched() stores
 * it, in whichever worker is free by then, of this code or of newer.
 */
final class Chat
{
    /** Characters of a question. */
    public const LONGEST = 4000;

    public function __construct(
        private readonly Worker $worker,
        private readonly Store $store,
        private readonly Model $model,
    ) {
    }

    /** @param string $turn id of the page's making, so that a question that comes twice is asked once */
    public function ask(Request $request, string $visitor, string $turn): Response
    {
        // A page of another site can't send this type without asking first, and its cookies would not come.
        if ($request->header('content-type') !== 'application/json') {
            return Response::json(['error' => 'Expected JSON.'], 415);
        }
        $text = json_decode($request->body(), true)['text'] ?? null;
        if (!is_string($text) || preg_match('/\S/u', $text) !== 1
            || preg_match('/^.{1,' . self::LONGEST . '}$/Dsu', $text) !== 1) {
            return Response::json(['error' => 'A question has 1 to ' . self::LONGEST . ' characters.'], 400);
        }
        $before = $this->store->conversation($visitor);
        if (!$this->store->begin($turn, $visitor, $text, $this->worker->place()->generation)) {
            return Response::json(['error' => 'The last answer is not over yet. Ask again once it is.'], 409);
        }

        return $this->model->fetch($before, $text, context: ['turn' => $turn]);
    }

    /** The answer is over, well or not. This may come twice if a worker dies with it: the first one is kept. */
    public function fetched(Fetched $f): void
    {
        $answer = Answer::of($f);
        $this->store->settle($f->context['turn'], $answer, $f->id, $f->duration, $this->worker->place()->generation);
    }

    /** Not one byte of an answer came. The request has the turn in its address; its body is gone. */
    public function failed(Request $request, string $why): Response
    {
        Log::warn('the model does not answer', ['why' => $why]); // for us; whoever asked gets our words
        $this->store->fail(basename($request->path), Answer::NONE);

        return Response::json(['error' => Answer::NONE], 503, ['Cache-Control' => 'no-store']);
    }
}
