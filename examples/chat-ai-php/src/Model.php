<?php

declare(strict_types=1);

namespace ChatAi;

use WorkerHost\Http\Response;

/** What the model is asked, as OpenAI's chat completions have it, which most others understand as well. */
final class Model
{
    private const SYSTEM = 'You answer in short paragraphs, in Markdown. If you do not know, you say so.';

    /** How many turns of the conversation it is told. */
    private const REMEMBERED = 20;

    public function __construct(private readonly string $url, public readonly string $name)
    {
    }

    /**
     * @param list<array<string, mixed>> $before  turns of Store::conversation()
     * @param array<string, mixed>       $context for Chat::fetched()
     */
    public function fetch(array $before, string $question, array $context): Response
    {
        $messages = [['role' => 'system', 'content' => self::SYSTEM]];
        foreach (array_slice($before, -self::REMEMBERED) as $turn) {
            if ($turn['answer'] !== '') {
                $messages[] = ['role' => 'user', 'content' => $turn['question']];
                $messages[] = ['role' => 'assistant', 'content' => $turn['answer']];
            }
        }
        $messages[] = ['role' => 'user', 'content' => $question];

        return Response::fetch(
            $this->url,
            'POST',
            headers: ['Authorization' => 'Bearer {secret:MODEL}'],
            body: ['model' => $this->name, 'messages' => $messages, 'stream' => true,
                'stream_options' => ['include_usage' => true]],
            // of the model's own head nothing goes on but the status
            head: ['Content-Type' => 'text/event-stream', 'Cache-Control' => 'no-store',
                'X-Content-Type-Options' => 'nosniff'],
            context: $context,
            keep: 4 << 20,
        );
    }
}
