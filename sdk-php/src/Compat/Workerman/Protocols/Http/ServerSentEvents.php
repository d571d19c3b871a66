<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http;

/** One event of a stream: `event`, `id`, `retry` and `data`, or a comment under `''`. */
class ServerSentEvents implements \Stringable
{
    /** @param array<string, string|int> $data */
    public function __construct(protected array $data)
    {
    }

    public function __toString(): string
    {
        $lines = isset($this->data['']) ? ": {$this->data['']}\n" : '';
        foreach (['event', 'id', 'retry'] as $field) {
            $lines .= isset($this->data[$field]) ? "$field: {$this->data[$field]}\n" : '';
        }
        if (isset($this->data['data'])) {
            $lines .= 'data: ' . \str_replace("\n", "\ndata: ", (string) $this->data['data']) . "\n";
        }

        return "$lines\n";
    }
}
