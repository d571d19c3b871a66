<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Headers;

/** How a request that the host has made for Response::fetch() ended; what Worker::onFetched() gets. */
final class Fetched
{
    /** All of the answer came. */
    public const COMPLETE = 'complete';
    /** The client left before. */
    public const LEFT = 'left';
    /** The other end broke off, or could not be reached. */
    public const BROKE = 'broke';
    /** It took longer than it may. */
    public const TIMEOUT = 'timeout';
    /** The answer was longer than it may be. */
    public const LIMIT = 'limit';
    /** It led to a place, or an address, that is not allowed. */
    public const REFUSED = 'refused';

    /** No other fetch has it, whichever host made it: what to bill by, since this may come a second time. */
    public readonly string $id;
    /** 1, or 2 when another worker had this and died with it. */
    public readonly int $attempt;
    /** As the handler gave it. */
    public readonly string $url;
    /** Of the answer; 0: there was none. */
    public readonly int $status;
    /** @var array<array-key, non-empty-list<string>> of the answer, lower-case name => values */
    public readonly array $headers;
    /** How many bytes of the answer's body came. */
    public readonly int $length;
    /** Seconds, from the request to the end. */
    public readonly float $duration;
    /** One of the constants. */
    public readonly string $end;
    /** Why it ended so, for a person to read. */
    public readonly string $reason;
    /** Id of the client's request, as Request::$id. */
    public readonly string $requestId;
    /** What the handler gave with it. */
    public readonly mixed $context;
    /** The beginning of the answer's body, as much as was to be kept. */
    public readonly string $body;

    /** @internal @param list<mixed> $event FETCHED (SPEC.md §15.3) */
    public function __construct(array $event, string $body)
    {
        [, , , $this->id, $this->attempt, $this->url, $this->status, $headers, $this->length, $took, $this->end,
            $this->reason, $this->requestId, $this->context] = $event;
        $this->headers = Headers::lists($headers);
        $this->duration = $took / 1000;
        $this->body = $body;
    }

    /** Whether all of the answer came, and the client had it all but for what was on its way. */
    public function isComplete(): bool
    {
        return $this->end === self::COMPLETE;
    }
}
