<?php

declare(strict_types=1);

namespace ChatAi;

use WorkerHost\{Fetched, Log};

/** What became of a question: the words of the model, and ours where it has failed. */
final class Answer
{
    public const NONE = 'The model does not answer at the moment. Ask again in a while.';

    /** @param 'whole'|'partial'|'failed' $state */
    private function __construct(
        public readonly string $state,
        public readonly string $text = '',
        public readonly string $note = '',
        public readonly int $tokens = 0,
    ) {
    }

    public static function of(Fetched $f): self
    {
        if ($f->status >= 400) { // an error has a body as well, which is for us and not for whoever asked
            Log::warn('the model has an error', ['status' => $f->status, 'body' => substr($f->body, 0, 500)]);

            return new self('failed', note: match (true) {
                $f->status === 429 => 'The model is asked for too much right now. Wait a minute, then ask again.',
                $f->status >= 500 => 'The model is out of order. Ask again in a while.',
                default => 'The model did not take this question. Whoever runs this page finds the reason in its log.',
            });
        }
        [$text, $tokens, $finish] = self::read($f->body);
        $note = match (true) {
            $f->end === Fetched::LEFT => 'You left before the end.',
            $f->end === Fetched::TIMEOUT => 'The model took too long, so this is not all.',
            !$f->isComplete() || $finish === '' => 'The model broke off here.',
            $f->length > strlen($f->body) => 'The rest was too long to keep.',
            $finish === 'length' => 'The model may say no more than this at once.',
            default => '',
        };
        if ($text === '') {
            return new self('failed', note: $f->end === Fetched::LEFT ? $note : self::NONE);
        }

        return new self($note === '' ? 'whole' : 'partial', $text, $note, $tokens);
    }

    /**
     * Reads the events that came.
     *
     * @return array{string, int, string} the text, how many tokens were paid for as far as is known, and why it
     *     finished, '' if it did not
     */
    private static function read(string $stream): array
    {
        $text = $finish = '';
        $tokens = 0;
        foreach (preg_split('/\R/', $stream) as $line) {
            if ($line === 'data: [DONE]' && $finish === '') {
                $finish = 'stop'; // not all say it
            }
            $chunk = str_starts_with($line, 'data:') ? json_decode(substr($line, 5), true) : null;
            $choice = $chunk['choices'][0] ?? [];
            $text .= $choice['delta']['content'] ?? '';
            $finish = $choice['finish_reason'] ?? $finish;
            $tokens = $chunk['usage']['completion_tokens'] ?? $tokens;
        }

        return [$text, $tokens, $finish];
    }
}
