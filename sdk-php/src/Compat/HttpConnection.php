<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Http\Response;
use Workerman\Worker;
use WorkerHost\Http\Request;

/** @internal What a program answers a request through. It lasts as long as that. */
final class HttpConnection extends TcpConnection
{
    /** What the host says of a response itself. */
    private const HOSTS = ['content-length', 'connection', 'transfer-encoding', 'keep-alive', 'date'];

    private ?\WorkerHost\Http\Response $answer = null;
    private bool $answered = false;
    /** @var array<string, mixed> */
    private array $own = [];

    public function __construct(?Worker $worker, private readonly Request $request)
    {
        parent::__construct($worker);
        $this->id = $request->id;
    }

    public function isAnswered(): bool
    {
        return $this->answered || $this->status >= self::STATUS_CLOSING;
    }

    /** null if it has been closed without one */
    public function take(): ?\WorkerHost\Http\Response
    {
        if ($this->answer === null && $this->status >= self::STATUS_CLOSING) {
            throw new \Error('the program has closed the connection in place of an answer');
        }
        [$answer, $this->answer] = [$this->answer, null];

        return $answer;
    }

    public function send(mixed $sendBuffer, bool $raw = false): ?bool
    {
        if ($raw) {
            throw new \Error('send(…, true) is not there under this host, which writes HTTP itself: send a Response');
        }
        if ($this->answered) {
            throw new \Error('This request has its answer already. Pieces of one (Chunk, ServerSentEvents) are not '
                . 'sent by send() under this host: send a whole Response, or push by a Worker of websocket://');
        }
        if (!$sendBuffer instanceof Response) {
            $sendBuffer = new Response(200, [], (string) $sendBuffer);
        }
        foreach ($sendBuffer->getHeaders() as $name => $value) {
            if (\strtolower((string) $name) === 'transfer-encoding'
                || \strtolower((string) $name) === 'content-type' && $value === 'text/event-stream') {
                throw new \Error('A Response that is sent in pieces (Chunk, ServerSentEvents) is not there for a '
                    . 'Workerman program under this host: send it whole, or use Response::stream() or hold() of the '
                    . 'SDK in a pool of its own');
            }
        }
        $this->answer = $this->response($sendBuffer);
        $this->answered = true;

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
        $this->status = self::STATUS_CLOSING;
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
