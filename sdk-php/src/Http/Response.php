<?php

declare(strict_types=1);

namespace WorkerHost\Http;

use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Fetches;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Headers;
use WorkerHost\Internal\Upgrade;

/**
 * One HTTP response. Immutable: the with…() methods make copies.
 *
 * The host adds Date and, where it knows it, Content-Length.
 *
 * @property-read int                                      $status
 * @property-read array<array-key, non-empty-list<string>> $headers lower-case name => values
 * @property-read mixed                                    $body    a string, an iterable of strings, or a readable
 *     stream
 * @property-read string|null                              $file    the path, for Response::file()
 */
final class Response
{
    /** @var list<string> name, value, name, value … */
    private array $pairs;
    /** @var string|iterable<string>|\Closure|resource */
    private mixed $body;
    private ?string $file = null;
    /** @var list<mixed>|null what a held response becomes, SPEC.md §10.6 */
    private ?array $hold = null;
    /** @var list<mixed>|null what the host is to fetch, SPEC.md §15.1 */
    private ?array $fetch = null;
    /** @var list<array{string, string|\Closure}> */
    private array $trailers = [];
    /** @var list<callable(): mixed> */
    private array $after = [];

    /**
     * @param int                                                       $status  200 to 599
     * @param array<array-key, string|int|float|list<string|int|float>> $headers name => value, or a list of values
     * @param string|iterable<string>                                   $body    an iterable is sent chunk by chunk,
     *     see stream()
     *
     * @throws \ValueError if HTTP does not allow the status or a header
     */
    public function __construct(private int $status = 200, array $headers = [], string|iterable $body = '')
    {
        if ($status < 200 || $status > 599) {
            self::checkStatus($status);
        }
        $this->pairs = $headers === [] ? [] : Headers::pairs($headers);
        $this->body = $body;
    }

    /**
     * @internal of what was checked already
     *
     * @param list<string> $pairs name, value, name, value …
     */
    public static function of(int $status, array $pairs, string $body = ''): self
    {
        $response = new self($status);
        $response->pairs = $pairs;
        $response->body = $body;

        return $response;
    }

    /** Plain text in UTF-8. @param array<array-key, string|list<string>> $headers */
    public static function text(string $body, int $status = 200, array $headers = []): self
    {
        return self::typed('text/plain; charset=utf-8', $body, $status, $headers);
    }

    /** HTML in UTF-8. @param array<array-key, string|list<string>> $headers */
    public static function html(string $body, int $status = 200, array $headers = []): self
    {
        return self::typed('text/html; charset=utf-8', $body, $status, $headers);
    }

    /**
     * Anything that json_encode() takes.
     *
     * @param array<array-key, string|list<string>> $headers
     *
     * @throws \JsonException
     */
    public static function json(mixed $data, int $status = 200, array $headers = []): self
    {
        $flags = \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_SLASHES | \JSON_UNESCAPED_UNICODE
            | \JSON_PRESERVE_ZERO_FRACTION;

        return self::typed('application/json', \json_encode($data, $flags), $status, $headers);
    }

    /** @param array<array-key, string|list<string>> $headers */
    public static function redirect(string $location, int $status = 302, array $headers = []): self
    {
        if ($status < 300 || $status > 399) {
            throw new \ValueError("A redirect's status is 300 to 399; this is $status");
        }
        $response = new self($status, ['Location' => $location]);

        return $headers === [] ? $response : $response->withHeaders($headers);
    }

    /**
     * A file that the host reads and sends, with ranges and conditional requests, while this worker is free for the
     * next request.
     *
     * It has to lie below one of the pool's `file_roots`, which is the pool's directory unless the configuration says
     * otherwise.
     *
     * @param string|null                           $download the name to save it under; null: the browser shows it
     * @param array<array-key, string|list<string>> $headers  without Content-Type the host goes by the file's
     *     extension
     *
     * @throws \RuntimeException if there is no such file
     */
    public static function file(string $path, ?string $download = null, array $headers = []): self
    {
        $real = \realpath($path);
        if ($real === false || !\is_file($real)) {
            throw new \RuntimeException("Response::file(): there is no file $path");
        }
        $response = new self(200, $headers);
        $response->file = $real;

        return $download === null ? $response
            : $response->withHeader('Content-Disposition', self::attachment($download));
    }

    /**
     * A body made while it is sent. Each chunk goes out at once, and the next is asked for when the client has room
     * for it. The head is sent with the first chunk (`yield ''` sends it earlier), so whatever throws before that is
     * still a clean error page. When the client leaves, the generator is stopped where it stands: its finally blocks
     * run.
     *
     * A function may return an iterable (so it may be a generator function), or call what it is given with each chunk:
     * `function (\Closure $write): void`. A readable PHP stream is read to its end and closed.
     *
     * @param iterable<string>|\Closure|resource    $chunks
     * @param array<array-key, string|list<string>> $headers without Content-Type it is application/octet-stream
     */
    public static function stream(mixed $chunks, int $status = 200, array $headers = []): self
    {
        if (!\is_iterable($chunks) && !\is_resource($chunks) && !$chunks instanceof \Closure) {
            throw new \TypeError('Response::stream() takes an iterable, a function or a readable stream, not '
                . \get_debug_type($chunks));
        }
        $response = self::typed('application/octet-stream', '', $status, $headers);
        $response->body = $chunks;

        return $response;
    }

    /**
     * A response that is not ended but held by the host, as a connection: for server-sent events and long polls. This
     * worker is free; whatever worker sends to the connection, its groups or its user id sends more of the body. When
     * it has ended, onClose() runs.
     *
     * Without a Content-Type it is text/event-stream: then text that is sent to it becomes `data:` lines, and a
     * ServerSentEvent goes as it is.
     *
     * @param string                                $first   what is sent at once
     * @param string|list<string>                   $groups  that the connection is in
     * @param string|int                            $uid     the user id that it is bound to
     * @param array<array-key, mixed>               $session as Connection::$session
     * @param bool                                  $once    whether it ends after the first message: a long poll
     * @param float                                 $timeout seconds after which the host ends it; 0 is never
     * @param array<array-key, string|list<string>> $headers
     *
     * @throws \TypeError if the session holds what can't be kept in one
     */
    public static function hold(
        string|ServerSentEvent $first = '',
        string|array $groups = [],
        string|int $uid = '',
        array $session = [],
        bool $once = false,
        float $timeout = 0,
        int $status = 200,
        array $headers = [],
    ): self {
        if ($timeout < 0) {
            throw new \ValueError("A response is held for 0 seconds (for ever) or more; not for $timeout");
        }
        if ($status === 204 || $status === 304) {
            throw new \ValueError("A response that is held has a body; one with status $status has none");
        }
        $response = new self($status, $headers, (string) $first);
        if ($response->header('content-type') === '') {
            \array_push($response->pairs, 'Content-Type', 'text/event-stream');
        }
        if ($response->header('cache-control') === '') {
            \array_push($response->pairs, 'Cache-Control', 'no-store');
        }
        $response->hold = [
            \array_map('strval', \array_values((array) $groups)), (string) $uid,
            $session === [] ? [] : Upgrade::stamp(Entries::changes([], $session)[0]),
            $once, (int) \ceil($timeout * 1000),
        ];

        return $response;
    }

    /**
     * A response that the host fetches: it makes the request, and the answer streams to the client as it comes, while
     * this worker is free for the next request. It goes on through reloads, and a client that leaves ends it. What may
     * be asked for stands in host.toml, `[pool.NAME.fetch] allow`; nothing may by default.
     *
     * `{secret:NAME}` in a header stands for a secret that the host puts in. An answer that does not come at all is a
     * 502 or a 504, one that breaks off is cut off; onFetched() learns of either.
     *
     * @param string                                                    $url     http or https
     * @param array<array-key, string|int|float|list<string|int|float>> $headers of the request
     * @param string|array<array-key, mixed>                            $body    likewise; an array is sent as JSON
     * @param string|array<array-key, string>                           $head    which of the answer's headers go on.
     *     'pass' is all, but those that speak for the other end's origin, such as Set-Cookie. An array sets headers by
     *     name in place of the answer's, and what it lists without a name goes on:
     *     ['Content-Type' => 'text/event-stream', 'X-Request-Id']; 'pass' among these is all
     * @param mixed                                                     $context for onFetched(): strings, numbers,
     *     truth values, null and arrays of them
     * @param int                                                       $keep    how many bytes of the answer's body
     *     onFetched() gets, as far as host.toml allows
     * @param float                                                     $timeout seconds for all of it; 0 is what
     *     host.toml says, which it can't exceed
     * @param int|null                                                  $status  in place of the answer's
     *
     * @throws \ValueError     if HTTP does not allow the status or a header
     * @throws \TypeError      if the context can't be kept
     * @throws \JsonException
     */
    public static function fetch(
        string $url,
        string $method = 'GET',
        array $headers = [],
        string|array $body = '',
        string|array $head = 'pass',
        mixed $context = null,
        int $keep = 0,
        float $timeout = 0,
        ?int $status = null,
    ): self {
        if (\is_array($body)) {
            $body = \json_encode($body, \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_SLASHES | \JSON_UNESCAPED_UNICODE
                | \JSON_PRESERVE_ZERO_FRACTION);
            if (!isset(\array_change_key_case($headers)['content-type'])) {
                $headers['Content-Type'] = 'application/json';
            }
        }
        [$fetch, $own] = Fetches::element($url, $method, $headers, $head, $context, $keep, $timeout, $status === null);
        $response = new self($status ?? 200, $own, $body);
        $response->fetch = $fetch;

        return $response;
    }

    /** Reads status, headers, body and file. Any other name is an \Error. */
    public function __get(string $name): mixed
    {
        return match ($name) {
            'status' => $this->status,
            'headers' => Headers::lists($this->pairs),
            'body' => $this->body,
            'file' => $this->file,
            default => throw new \Error("A response has no \$$name"),
        };
    }

    /** Whether there is such a property, and it is not null. */
    public function __isset(string $name): bool
    {
        return \in_array($name, ['status', 'headers', 'body'], true) || ($name === 'file' && $this->file !== null);
    }

    /** Throws an \Error: a response is immutable. */
    public function __set(string $name, mixed $value): void
    {
        throw new \Error("A response is immutable: \$$name can't be set; use the with…() methods, which make a copy");
    }

    /** The header's value; several joined by `, `; $default if there is none. */
    public function header(string $name, string $default = ''): string
    {
        $values = Headers::lists($this->pairs)[\strtolower($name)] ?? null;

        return $values === null ? $default : \implode(', ', $values);
    }

    /** With this status, 200 to 599; others are a \ValueError. For those below 200 there is Request::inform(). */
    public function withStatus(int $status): self
    {
        self::checkStatus($status);
        $copy = clone $this;
        $copy->status = $status;

        return $copy;
    }

    /** With this header in place of all of that name. @param string|list<string> $value */
    public function withHeader(string $name, string|array $value): self
    {
        $added = Headers::pairs([$name => $value]);
        $copy = $this->withoutHeader($name);
        \array_push($copy->pairs, ...$added);

        return $copy;
    }

    /** withHeader() for each. @param array<array-key, string|list<string>> $headers */
    public function withHeaders(array $headers): self
    {
        $copy = $this;
        foreach ($headers as $name => $value) {
            $copy = $copy->withHeader((string) $name, $value);
        }

        return $copy;
    }

    /** With this header beside those of that name. */
    public function withAddedHeader(string $name, string $value): self
    {
        Headers::check($name, $value);
        $copy = clone $this;
        \array_push($copy->pairs, $name, $value);

        return $copy;
    }

    /** Without any header of that name. Case does not matter. */
    public function withoutHeader(string $name): self
    {
        $copy = clone $this;
        $copy->pairs = [];
        for ($i = 0, $count = \count($this->pairs); $i < $count; $i += 2) {
            if (\strcasecmp($this->pairs[$i], $name) !== 0) {
                \array_push($copy->pairs, $this->pairs[$i], $this->pairs[$i + 1]);
            }
        }

        return $copy;
    }

    /** @param string|iterable<string> $body */
    public function withBody(string|iterable $body): self
    {
        $copy = clone $this;
        $copy->body = $body;
        $copy->file = $copy->fetch = null;

        return $copy;
    }

    /**
     * Sets a cookie: withCookie(new Cookie('id', '7', maxAge: 3600)) or withCookie('id', '7', maxAge: 3600).
     *
     * @param mixed ...$attributes those of Cookie, by name
     */
    public function withCookie(Cookie|string $cookie, string $value = '', mixed ...$attributes): self
    {
        if (\is_string($cookie)) {
            $cookie = new Cookie($cookie, $value, ...$attributes);
        }

        return $this->withAddedHeader('Set-Cookie', (string) $cookie);
    }

    /** Tells the browser to forget a cookie; path and domain have to be those that it was set with. */
    public function withoutCookie(string $name, string $path = '/', string $domain = ''): self
    {
        return $this->withCookie(new Cookie($name, '', maxAge: 0, expires: 1, path: $path, domain: $domain));
    }

    /**
     * With a field after the body. A function is called when the body has been sent, so it can tell of it. Not with
     * file().
     */
    public function withTrailer(string $name, string|\Closure $value): self
    {
        Headers::check($name, \is_string($value) ? $value : '');
        $copy = clone $this;
        $copy->trailers[] = [$name, $value];

        return $copy;
    }

    /**
     * With a function to run once the client has the whole response, or has left: mail to send, a cache to warm. The
     * worker takes its next request when it has returned. A throw is logged.
     *
     * @param callable(): mixed $function
     */
    public function after(callable $function): self
    {
        $copy = clone $this;
        $copy->after[] = $function;

        return $copy;
    }

    /** @internal with these fields in front of its own. @param list<string> $pairs that were checked already */
    public function beside(array $pairs): self
    {
        $copy = clone $this;
        $copy->pairs = [...$pairs, ...$this->pairs];

        return $copy;
    }

    /** @internal with these bytes before its body. @throws \LogicException if its body can't have any before it */
    public function preceded(string $bytes): self
    {
        $body = $this->body;
        if ($this->file !== null || $this->hold !== null || $this->fetch !== null || \is_resource($body)
            || $this->status === 204 || $this->status === 304) {
            throw new \LogicException('the code has printed something, which is in the log, and returned a response '
                . 'that has no place for it: ' . match (true) {
                    $this->file !== null => 'a file',
                    $this->hold !== null => 'one that is held',
                    $this->fetch !== null => 'one that the host fetches',
                    default => \is_resource($body) ? 'a stream' : "one with status {$this->status}",
                });
        }
        $copy = $this->withoutHeader('Content-Length');
        $copy->body = match (true) {
            \is_string($body) => $bytes . $body,
            $body instanceof \Closure => static function (\Closure $write) use ($bytes, $body): mixed {
                $write($bytes);

                return $body($write);
            },
            default => (static function () use ($bytes, $body): \Generator {
                yield $bytes;
                foreach ($body as $chunk) {
                    yield $chunk;
                }
            })(),
        };

        return $copy;
    }

    /**
     * @internal the response as one frame, if that is all there is to it: most are
     *
     * @return list<mixed>|null RESPONSE (SPEC.md §5.3)
     */
    public function small(int $stream): ?array
    {
        if (!\is_string($this->body) || $this->file !== null || $this->hold !== null || $this->fetch !== null
            || $this->trailers !== []
            || $this->after !== [] || \strlen($this->body) > Frame::MAX_DATA) {
            return null;
        }
        if ($this->body === '') {
            return [Frame::RESPONSE, $stream, Frame::FLAG_END | Frame::FLAG_DONE, $this->status, $this->pairs];
        }

        $pairs = Headers::typed($this->pairs, $this->body);

        return [Frame::RESPONSE, $stream, Frame::FLAG_END | Frame::FLAG_DONE, $this->status, $pairs, $this->body];
    }

    /** @internal whether all of the body is there, so that no code runs to make it */
    public function isWhole(): bool
    {
        return \is_string($this->body) || $this->file !== null;
    }

    /**
     * @internal what is sent
     *
     * @return array{int, list<string>, mixed, ?string, list<array{string, string|\Closure}>, list<callable(): mixed>,
     *     ?list<mixed>, ?list<mixed>}
     */
    public function parts(): array
    {
        return [$this->status, $this->pairs, $this->body, $this->file, $this->trailers, $this->after, $this->hold,
            $this->fetch];
    }

    /** @param array<array-key, string|list<string>> $headers */
    private static function typed(string $type, string $body, int $status, array $headers): self
    {
        $response = new self($status, [], $body);
        $response->pairs = ['Content-Type', $type];
        if ($headers === []) {
            return $response;
        }
        $given = \array_change_key_case($headers);
        if (\count($given) !== \count($headers)) {
            return $response->withHeaders($headers); // one name in two spellings: the last one counts
        }
        $pairs = Headers::pairs($headers);
        $response->pairs = isset($given['content-type']) ? $pairs : ['Content-Type', $type, ...$pairs];

        return $response;
    }

    /** @internal @throws \ValueError */
    public static function checkStatus(int $status): void
    {
        if ($status < 200 || $status > 599) {
            throw new \ValueError("A response's status is 200 to 599; this is $status"
                . ($status < 200 ? '; see Request::inform()' : ''));
        }
    }

    /** RFC 6266: the name in ASCII for old clients, and as it is. */
    private static function attachment(string $name): string
    {
        $ascii = \preg_replace('/[^\x20-\x7e]|["\\\\%\/]/', '_', $name);
        $value = "attachment; filename=\"$ascii\"";

        return $ascii === $name ? $value : $value . "; filename*=UTF-8''" . \rawurlencode($name);
    }
}
