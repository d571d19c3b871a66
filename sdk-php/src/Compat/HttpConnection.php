<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Http\Chunk;
use Workerman\Protocols\Http\Response;
use Workerman\Protocols\Http\ServerSentEvents;
use Workerman\Worker;
use WorkerHost\Http\Request;
use WorkerHost\RequestCancelled;

/** @internal What a program answers a request through. It lasts as long as that, or as its response. */
final class HttpConnection extends TcpConnection
{
    /** What the host says of a response itself. */
    private const HOSTS = ['content-length', 'connection', 'transfer-encoding', 'keep-alive', 'date'];

    private ?\WorkerHost\Http\Response $answer = null;
    private bool $answered = false;
    private ?Stream $stream = null;
    /** @var array<string, mixed> */
    private array $own = [];

    public function __construct(?Worker $worker, private readonly Request $request, private readonly Streams $streams)
    {
        parent::__construct($worker);
        $this->id = $request->id;
    }

    /** Whether the request's handler may return: its response is whole, or the host holds it. */
    public function isAnswered(): bool
    {
        return $this->answered || $this->status >= self::STATUS_CLOSING;
    }

    /** Whether there is a response, or part of one. */
    public function hasSent(): bool
    {
        return $this->answer !== null || $this->stream !== null;
    }

    public function isHeld(): bool
    {
        return $this->stream?->isHeld() === true;
    }

    /** What the request's handler returns; null if nothing was sent. */
    public function take(): ?\WorkerHost\Http\Response
    {
        if ($this->stream !== null) {
            return $this->isAnswered() ? $this->stream->close() : throw new \Error('a response with '
                . 'Transfer-Encoding: chunked was not ended, and no timer is left that could: send(new Chunk(\'\'))');
        }
        if ($this->answer === null && $this->status >= self::STATUS_CLOSING) {
            throw new \Error('the program has closed the connection in place of an answer');
        }
        [$answer, $this->answer] = [$this->answer, null];

        return $answer;
    }

    /** Its client has left, or has all of it. */
    public function gone(): void
    {
        if ($this->status !== self::STATUS_CLOSED) {
            $this->status = self::STATUS_CLOSED;
            Dispatch::call($this->onClose ?? $this->worker?->onClose, $this);
        }
    }

    public function getStatus(bool $rawOutput = true): int|string
    {
        if ($this->status === self::STATUS_ESTABLISHED && $this->stream?->isThere() === false) {
            $this->gone();
        }

        return parent::getStatus($rawOutput);
    }

    public function send(mixed $sendBuffer, bool $raw = false): ?bool
    {
        if ($this->status >= self::STATUS_CLOSING) {
            return false;
        }
        if ($this->stream !== null) {
            return $this->more($this->stream, $sendBuffer, $raw);
        }
        if ($raw) {
            throw new \Error('send(…, true) is not there under this host, which writes HTTP itself: send a Response');
        }
        if ($this->answered) {
            throw new \Error('This request has its answer already. What is sent in pieces begins with a Response that '
                . 'has Transfer-Encoding: chunked, or Content-Type: text/event-stream');
        }
        if (!$sendBuffer instanceof Response) {
            $sendBuffer = new Response(200, [], (string) $sendBuffer);
        }
        $response = $this->response($sendBuffer);
        try {
            if (\preg_match('~^text/event-stream\b~i', $response->header('content-type')) === 1) {
                $this->answered = true;
                $this->stream = $this->streams->begin($this, $response->withBody(''));
            } elseif (self::isChunked($sendBuffer)) {
                $this->stream = new Chunked($this->streams->requests(), $response->withBody(''));
                $this->stream->write($sendBuffer->rawBody());
            } else {
                $this->answered = true;
                $this->answer = $response;
            }
        } catch (RequestCancelled) {
            $this->gone();

            return false;
        }

        return true;
    }

    private static function isChunked(Response $response): bool
    {
        $coding = \array_change_key_case($response->getHeaders())['transfer-encoding'] ?? [];

        return \in_array('chunked', \array_map('strtolower', (array) $coding), true);
    }

    private function more(Stream $stream, mixed $piece, bool $raw): bool
    {
        if (!$piece instanceof Chunk && !$piece instanceof ServerSentEvents && !($raw && $stream->isHeld())) {
            throw new \Error('This response is sent in pieces: after its head it takes a Chunk or ServerSentEvents, '
                . 'and ends with an empty Chunk or close()');
        }
        try {
            $piece = (string) $piece;
            if ($piece === '') {
                $this->close();
            } else {
                $stream->write($piece);
                $this->bytesWritten += \strlen($piece);
            }
        } catch (RequestCancelled) {
            $this->gone();

            return false;
        }

        return true;
    }

    private function response(Response $from): \WorkerHost\Http\Response
    {
        $headers = $from->getHeaders();
        foreach ($this->headers as $name => $value) {
            $known = $headers[$name] ?? [];
            $headers[$name] = $name === 'Set-Cookie' ? [...(array) $known, ...(array) $value] : $value;
        }
        $typed = false;
        foreach ($headers as $name => $value) {
            $lower = \strtolower((string) $name);
            $typed = $typed || $lower === 'content-type';
            if (\in_array($lower, self::HOSTS, true)) {
                unset($headers[$name]);
            } else {
                $headers[$name] = \is_array($value) ? \array_values(\array_map('strval', $value)) : (string) $value;
            }
        }
        $status = $from->getStatusCode();
        if ($from->file !== null) {
            return $this->file($from->file, $headers, $status);
        }
        if (!$typed && $status !== 204 && $status !== 304) {
            $headers['Content-Type'] = 'text/html;charset=utf-8';
        }

        return new \WorkerHost\Http\Response($status, $headers, $from->rawBody());
    }

    /**
     * @param array{file: string, offset: int, length: int} $part
     * @param array<string, string|list<string>>            $headers
     */
    private function file(array $part, array $headers, int $status): \WorkerHost\Http\Response
    {
        ['file' => $file, 'offset' => $offset, 'length' => $length] = $part;
        if ($offset === 0 && $length === 0) {
            return \WorkerHost\Http\Response::file((string) \realpath($file), headers: $headers)->withStatus($status);
        }
        $size = (int) \filesize($file);
        $piece = (string) \file_get_contents($file, offset: $offset, length: $length > 0 ? $length : null);
        $headers['Content-Range'] = "bytes $offset-" . ($offset + \strlen($piece) - 1) . "/$size";

        return new \WorkerHost\Http\Response(206, $headers, $piece);
    }

    public function close(mixed $data = null, bool $raw = false): void
    {
        if ($this->status >= self::STATUS_CLOSING) {
            return;
        }
        if ($data !== null) {
            $this->send($data, $raw);
        }
        $this->stream?->end();
        if ($this->status < self::STATUS_CLOSING) {
            $this->status = self::STATUS_CLOSING;
        }
    }

    public function getRemoteAddress(): string
    {
        return $this->request->remoteAddress;
    }

    public function getLocalAddress(): string
    {
        return $this->request->localAddress;
    }

    public function &__get(string $name): mixed
    {
        $this->own[$name] ??= null;

        return $this->own[$name];
    }

    public function __set(string $name, mixed $value): void
    {
        $this->own[$name] = $value;
    }

    public function __isset(string $name): bool
    {
        return isset($this->own[$name]);
    }

    public function __unset(string $name): void
    {
        unset($this->own[$name]);
    }
}
