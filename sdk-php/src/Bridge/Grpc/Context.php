<?php

declare(strict_types=1);

namespace WorkerHost\Bridge\Grpc;

use WorkerHost\Http\Request;
use WorkerHost\Internal\Grpc\Metadata;
use WorkerHost\Internal\Grpc\Reply;

/** The call at hand, beside its messages: metadata both ways, the deadline, who calls. A method takes it as its second
 * parameter. */
final class Context
{
    /** @internal */
    public function __construct(
        /** As the .proto names it: `demo.Greeter`. */
        public readonly string $service,
        /** `Say` */
        public readonly string $method,
        /** The HTTP request that the call came as: its client's address, its certificate, its id in the host's log. */
        public readonly Request $request,
        private readonly Reply $reply,
    ) {
    }

    /**
     * The metadata that came under a name, in order; those of a name that ends in `-bin` are bytes.
     *
     * @return list<string> empty if there is none
     */
    public function metadata(string $name): array
    {
        $values = $this->request->headers[\strtolower($name)] ?? [];

        return \str_ends_with($name, '-bin') ? Metadata::bytes($values) : $values;
    }

    /**
     * Has metadata go to the client ahead of the first message; beside that of the same name.
     *
     * @param string $value printable ASCII; of a name that ends in `-bin` any bytes
     *
     * @throws \ValueError     if gRPC does not allow the name or the value
     * @throws \LogicException if the head has gone: with the first message, with sendHeader(), or, of a method that
     *     gets a stream, when it asked for the first message
     */
    public function header(string $name, string $value): void
    {
        $this->reply->header($name, $value);
    }

    /**
     * Sends the metadata now, and that the call has begun. The first message does so, too.
     *
     * @throws \WorkerHost\RequestCancelled once nobody waits for the answer
     */
    public function sendHeader(): void
    {
        $this->reply->begin();
    }

    /**
     * Has metadata go to the client with the status, behind the last message, also where the call fails.
     *
     * @param string $value as of header()
     *
     * @throws \ValueError as of header()
     */
    public function trailer(string $name, string $value): void
    {
        $this->reply->trailer($name, $value);
    }

    /** How many seconds the client still waits, at least 0; null if it waits as long as it takes. */
    public function timeLeft(): ?float
    {
        return $this->reply->timeLeft();
    }

    /** Whether nobody waits any more: the client has left, or its time is up. For use in long loops. */
    public function isCancelled(): bool
    {
        return $this->reply->timeLeft() === 0.0 || $this->request->isCancelled();
    }
}
