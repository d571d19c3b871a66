<?php

declare(strict_types=1);

namespace WorkerHost\Http;

/**
 * One event of a text/event-stream (WHATWG HTML, §9.2), for a held response: as its first bytes, or to be sent to it.
 *
 *     $worker->connections()->sendToGroup('prices', new ServerSentEvent('42.50', event: 'price', id: '17'));
 *
 * A message that is plain text needs none of this: the host makes `data:` lines of it.
 */
final class ServerSentEvent
{
    private readonly string $text;

    /**
     * @param string      $data  any number of lines
     * @param string      $event the event's type; '' is `message`
     * @param string|null $id    what a client that comes back says in Last-Event-ID; '' forgets the last one
     * @param int|null    $retry milliseconds after which a client that was cut off comes back, at least 0
     *
     * @throws \ValueError for a line break in $event or $id, a NUL in $id, or a negative $retry
     */
    public function __construct(string $data, string $event = '', ?string $id = null, ?int $retry = null)
    {
        if (\strpbrk($event, "\r\n") !== false || \strpbrk((string) $id, "\r\n\0") !== false) {
            throw new \ValueError("An event's type and its id hold no line break, and its id no NUL");
        }
        if ($retry !== null && $retry < 0) {
            throw new \ValueError("retry is at least 0 milliseconds; this is $retry");
        }
        $this->text = ($event === '' ? '' : "event: $event\n")
            . ($id === null ? '' : "id: $id\n")
            . ($retry === null ? '' : "retry: $retry\n")
            . 'data: ' . \implode("\ndata: ", \preg_split('/\r\n|\r|\n/', $data)) . "\n\n";
    }

    /** The lines as they are sent, the empty one at the end included. */
    public function __toString(): string
    {
        return $this->text;
    }
}
