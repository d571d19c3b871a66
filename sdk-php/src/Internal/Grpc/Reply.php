<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Grpc;

use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Exchange;
use WorkerHost\Internal\Sender;

/** @internal The answer to a call as it grows: metadata, messages, and the status behind them. */
final class Reply
{
    private const TYPE = ['Content-Type', 'application/grpc'];
    /** Messages below that many bytes are not compressed. */
    private const WORTH_IT = 512;

    private readonly ?Exchange $exchange;
    /** @var list<string> name, value, name, value … */
    private array $headers = [];
    /** @var list<string> */
    private array $trailers = [];
    private bool $begun = false;
    /** The messages, where nobody takes them as they come: of a request that was made for a test. */
    private string $kept = '';
    /** When the client's time is up, in nanoseconds of hrtime(); null: never. */
    private ?int $until = null;

    /** @param bool $gzip whether the client sends so and takes it back */
    public function __construct(private readonly Request $request, private readonly bool $gzip)
    {
        $this->exchange = $request->exchange();
    }

    /** The client waits that long from now on. */
    public function within(?float $seconds): void
    {
        $this->until = $seconds === null ? null : \hrtime(true) + (int) ($seconds * 1e9);
    }

    public function timeLeft(): ?float
    {
        return $this->until === null ? null : \max(0.0, ($this->until - \hrtime(true)) / 1e9);
    }

    /** @throws GrpcException once the client's time is up */
    public function inTime(): void
    {
        if ($this->until !== null && \hrtime(true) >= $this->until) {
            throw new GrpcException(Code::DeadlineExceeded, 'the time that the client gave is up');
        }
    }

    public function header(string $name, string $value): void
    {
        if ($this->begun) {
            throw new \LogicException('The head of this answer has gone: metadata comes before the first message is '
                . 'sent, or read from a stream; trailer() goes with the status');
        }
        \array_push($this->headers, ...Metadata::field($name, $value));
    }

    public function trailer(string $name, string $value): void
    {
        \array_push($this->trailers, ...Metadata::field($name, $value));
    }

    /** Sends the head, if it has not gone. */
    public function begin(): void
    {
        if (!$this->begun) {
            $this->part('');
        }
    }

    /** Sends a message. @throws GrpcException @throws \WorkerHost\RequestCancelled */
    public function message(string $bytes): void
    {
        $this->inTime();
        $packed = $this->gzip && \strlen($bytes) >= self::WORTH_IT ? (string) \gzencode($bytes, 1) : null;
        $this->part($packed === null ? "\0" . \pack('N', \strlen($bytes)) . $bytes
            : "\1" . \pack('N', \strlen($packed)) . $packed);
    }

    private function part(string $bytes): void
    {
        $this->begun = true;
        if ($this->exchange === null) {
            $this->kept .= $bytes;
        } else {
            Sender::part(Response::of(200, $this->head()), $bytes, $this->exchange, 'POST');
        }
    }

    /** @return list<string> */
    private function head(): array
    {
        $accepted = \function_exists('inflate_init') ? 'gzip, identity' : 'identity';

        return [...self::TYPE, ...($this->gzip ? ['grpc-encoding', 'gzip'] : []), 'grpc-accept-encoding', $accepted,
            ...$this->headers];
    }

    /** The rest of the answer. @param GrpcException|null $failure null: the call has gone well */
    public function end(?GrpcException $failure): Response
    {
        $status = [...Metadata::status($failure), ...$this->trailers];
        if (!$this->begun) { // what gRPC calls Trailers-Only
            return Response::of(200, [...$this->head(), ...$status]);
        }
        $response = Response::of(200, $this->head(), $this->kept); // of which the head has gone, if there is a client
        for ($i = 0, $count = \count($status); $i < $count; $i += 2) {
            $response = $response->withTrailer($status[$i], $status[$i + 1]);
        }

        return $response;
    }

    /** Forgets what the method has asked of the host, since it has failed. */
    public function undo(): void
    {
        $this->exchange?->acts?->forget();
    }
}
