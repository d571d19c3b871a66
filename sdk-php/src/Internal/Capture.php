<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\RequestCancelled;

/**
 * @internal A body that is made of what the code prints: gathers it, and sends it when there is enough or the code
 * flushes.
 */
final class Capture
{
    /** Nobody waits for the body any more. */
    public bool $aborted = false;
    /** Whether all is sent as soon as it comes, as ob_implicit_flush() asks for. */
    public bool $implicit = false;
    private string $buffer = '';

    /**
     * @param \Closure(string): void $write sends more of the body; throws RequestCancelled once nobody wants it
     * @param positive-int           $most  how many bytes are gathered before they are sent
     * @param (\Closure(string): void)|null $end sends the last of the body; null: that is for others to do
     */
    public function __construct(
        private readonly \Closure $write,
        public readonly int $most,
        public readonly ?\Closure $end = null,
    ) {
    }

    /** @throws RequestCancelled unless the code has said ignore_user_abort(true) */
    public function take(string $bytes): void
    {
        $this->buffer .= $bytes;
        if (\strlen($this->buffer) >= $this->most || $this->implicit && $bytes !== '') {
            $this->send();
        }
    }

    /** Sends what there is, and the head if it is the first; likewise throws RequestCancelled. */
    public function send(): void
    {
        $bytes = $this->rest();
        if ($this->aborted && \ignore_user_abort()) {
            return;
        }
        try {
            ($this->write)($bytes);
        } catch (RequestCancelled $e) {
            $this->aborted = true;
            if (!\ignore_user_abort()) {
                throw $e;
            }
        }
    }

    /** Takes back what was gathered and not sent. */
    public function rest(): string
    {
        $bytes = $this->buffer;
        $this->buffer = '';

        return $bytes;
    }
}
