<?php

declare(strict_types=1);

namespace WorkerHost\Http;

use WorkerHost\Internal\Body;
use WorkerHost\Internal\Exchange;
use WorkerHost\Internal\Form;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Headers;
use WorkerHost\RequestCancelled;

/**
 * One HTTP request. Immutable; what takes work to decode is decoded when it is first asked for.
 *
 * @property-read string                                   $path        the target up to `?`, percent-encoded as it
 *     came
 * @property-read string                                   $queryString the target after `?`
 * @property-read array<array-key, mixed>                  $query       as PHP reads a query string
 * @property-read array<array-key, non-empty-list<string>> $headers     lower-case name => values, in the order they
 *     came; Host included
 * @property-read array<array-key, string>                 $cookies
 * @property-read array<array-key, mixed>                  $form        the fields of a form, urlencoded or multipart,
 *     as PHP reads them
 * @property-read list<UploadedFile>                       $files       those of a multipart form, in the order they
 *     came
 * @property-read array<string, mixed>                     $attributes  see withAttribute()
 * @property-read array<array-key, non-empty-list<string>> $trailers    once the body has been read to its end
 * @property-read list<string>|null                        $tls         [version, cipher, server name, ALPN protocol];
 *     null without TLS
 * @property-read array{subject: string, issuer: string, serial: string, pem: string}|null $clientCertificate what the
 *     client has shown, signed by an authority of the listener's client_ca; null: none
 * @property-read int|null                                 $length      the body's length in bytes; null if that is not
 *     known before its end
 * @property-read int                                      $attempt     2 when another worker died with this request
 * @property-read string                                   $id          the request's id in the host's log
 * @property-read string                                   $traceparent the host's span if it traces, else the
 *     client's, for an application's own tracing to go on below it; '' without
 * @property-read string                                   $tracestate  what other tracing systems pass on beside
 * @property-read string                                   $localAddress what the client came to; see README.md
 */
final class Request
{
    public readonly string $method;
    /** As it came: path and query, or `*`. */
    public readonly string $target;
    /** `1.0`, `1.1`, `2` … */
    public readonly string $protocolVersion;
    /** `http` or `https`. */
    public readonly string $scheme;
    /** The Host header or `:authority`, with its port if it has one. */
    public readonly string $host;
    /** The client's `ip:port` or `[ip]:port`; empty on a unix socket. */
    public readonly string $remoteAddress;

    /** @var array<string, mixed> what was decoded, by the property's name */
    private array $decoded = [];
    /** @var array<string, mixed> */
    private array $attributes = [];
    private ?Body $body = null;
    /** When it began, in nanoseconds; 0 where no deadline counts from it. */
    private readonly int $begun;

    /**
     * @internal
     *
     * @param list<mixed> $message REQUEST (SPEC.md §5.1), checked and with its defaults
     */
    public function __construct(private readonly array $message, private readonly ?Exchange $exchange)
    {
        $this->method = $message[3];
        $this->target = $message[4];
        $this->protocolVersion = $message[5];
        $this->scheme = $message[6];
        $this->host = $message[7];
        $this->remoteAddress = $message[8];
        $this->begun = $message[17] > 0 ? \hrtime(true) : 0;
    }

    /**
     * A request that came from no client, for tests of a handler.
     *
     * @param array<string, string|list<string>> $headers
     * @param array<string, string>|null         $form    fields of a multipart form; a urlencoded one goes into $body
     * @param list<UploadedFile>                 $files
     */
    public static function create(
        string $method,
        string $target,
        array $headers = [],
        string $body = '',
        ?array $form = null,
        array $files = [],
        string $remoteAddress = '127.0.0.1:50000',
        string $scheme = 'http',
        string $host = 'localhost',
    ): self {
        $fields = [];
        foreach ($form ?? [] as $name => $value) {
            \array_push($fields, (string) $name, $value);
        }
        $parsed = $form === null && $files === [] ? null : [$fields, []];
        $request = new self(
            [Frame::REQUEST, 1, Frame::FLAG_END, $method, $target, '1.1', $scheme, $host, $remoteAddress,
                Headers::pairs($headers), $body,
                \strlen($body), $parsed, null, 1, '', '', 0],
            null,
        );
        $request->body = new Body($body);
        $request->decoded['files'] = $files;

        return $request;
    }

    /**
     * @internal the request that a WebSocket began with
     *
     * @param list<mixed> $open OPEN (SPEC.md §9.4)
     */
    public static function upgrade(array $open): self
    {
        [$method, $target, $version, $scheme, $host, $remote, $headers, $tls, $id] = $open[4];
        $request = new self(
            [Frame::REQUEST, $open[1], Frame::FLAG_END, $method, $target, $version, $scheme, $host, $remote, $headers,
                null, 0, null, $tls, $open[3], $id, '', 0],
            null,
        );
        $request->body = new Body('');

        return $request;
    }

    /** Reads a property of those above, which is decoded once. Any other name is an \Error. */
    public function __get(string $name): mixed
    {
        return $this->decoded[$name] ?? match ($name) {
            'path' => $this->path(), // to keep it would take memory, and save no time
            'attributes' => $this->attributes,
            'trailers' => Headers::lists($this->exchange?->trailers ?? []),
            'tls' => $this->message[13] === null ? null : \array_slice($this->message[13], 0, 4),
            'clientCertificate' => $this->clientCertificate(),
            'length' => $this->bodyLength(),
            'attempt' => $this->message[14],
            'id' => $this->message[15],
            'localAddress' => $this->message[16],
            'traceparent', 'tracestate' => $this->header($name),
            default => $this->decoded[$name] = $this->decode($name),
        };
    }

    /** Whether there is such a property, and it is not null. */
    public function __isset(string $name): bool
    {
        return match ($name) {
            'tls', 'clientCertificate', 'length' => $this->__get($name) !== null,
            default => \in_array($name, [
                'path', 'queryString', 'query', 'headers', 'cookies', 'form', 'files', 'attributes', 'trailers',
                'attempt', 'id',
                'localAddress', 'traceparent', 'tracestate',
            ], true),
        };
    }

    /** Throws an \Error: a request is immutable. */
    public function __set(string $name, mixed $value): void
    {
        throw new \Error(
            "A request is immutable: \$$name can't be set; withAttribute() makes a copy that carries more");
    }

    /**
     * The header's value; several values joined by `, ` (`; ` for Cookie); $default if there is none. Case does not
     * matter.
     */
    public function header(string $name, string $default = ''): string
    {
        $name = \strtolower($name);
        $values = ($this->decoded['headers'] ?? $this->__get('headers'))[$name] ?? null;
        if ($values === null) {
            return $default;
        }

        return \implode($name === 'cookie' ? '; ' : ', ', $values);
    }

    /** The value that withAttribute() attached, or $default. */
    public function attribute(string $name, mixed $default = null): mixed
    {
        return \array_key_exists($name, $this->attributes) ? $this->attributes[$name] : $default;
    }

    /** A copy of the request that carries $value under $name: a user, a route's arguments. */
    public function withAttribute(string $name, mixed $value): self
    {
        $copy = clone $this;
        $copy->attributes[$name] = $value;

        return $copy;
    }

    /**
     * The whole body. Waits until all of it has come. Empty for a multipart form, whose parts are in `form` and
     * `files`.
     *
     * @throws RequestCancelled if the rest of it will not come
     */
    public function body(): string
    {
        return $this->source()->contents();
    }

    /**
     * The body as a readable stream, which takes it from the client as it is read: a body of any size needs little
     * memory. It can be read once, and then body() can't. The same stream at every call.
     *
     * A read throws RequestCancelled if the rest will not come, so that a part is never taken for the whole.
     *
     * @return resource
     */
    public function stream()
    {
        return $this->source()->stream();
    }

    /** Whether nobody waits for the answer any more. Looks at what the host has said by now; for use in long loops. */
    public function isCancelled(): bool
    {
        return $this->exchange !== null && !$this->exchange->wanted();
    }

    /**
     * How many seconds are left to begin the answer, at least 0: then the host, whose `request_timeout` it is, gives
     * the request up (SPEC.md §7.2). null if it has no such time.
     *
     * Whatever goes either way, a piece of the body or of the response, starts that time anew, which this does not
     * follow: so it is for handlers that answer when they are done, to bound what they wait for, and says nothing once
     * an upload or a stream is under way.
     */
    public function timeLeft(): ?float
    {
        return $this->begun === 0 ? null : \max(0.0, $this->message[17] / 1000 - (\hrtime(true) - $this->begun) / 1e9);
    }

    /**
     * Sends an informational response ahead of the response: 100 to 199, but not 101. After the response has begun it
     * does nothing.
     *
     * @param array<string, string|list<string>> $headers
     */
    public function inform(int $status, array $headers = []): void
    {
        if ($status < 100 || $status > 199 || $status === 101) {
            throw new \ValueError("An informational response's status is 100 to 199, but not 101; this is $status");
        }
        $this->exchange?->inform($status, Headers::pairs($headers));
    }

    /**
     * Sends 103 Early Hints, so that the client can begin to fetch what the response will need.
     *
     * @param list<string> $links values of Link: `</style.css>; rel=preload; as=style`
     */
    public function earlyHints(array $links): void
    {
        $this->inform(103, ['Link' => $links]);
    }

    private function bodyLength(): ?int
    {
        [2 => $flags, 10 => $body, 11 => $length] = $this->message;
        if ($length < 0 && ($flags & Frame::FLAG_END) !== 0) {
            return \strlen($body ?? '');
        }

        return $length < 0 ? null : $length;
    }

    /** @return array{subject: string, issuer: string, serial: string, pem: string}|null */
    private function clientCertificate(): ?array
    {
        if (($client = $this->message[13][4] ?? null) === null) {
            return null;
        }
        $pem = $client[3] === '' ? '' : "-----BEGIN CERTIFICATE-----\n"
            . \chunk_split(\base64_encode($client[3]), 64, "\n") . "-----END CERTIFICATE-----\n";

        return ['subject' => $client[0], 'issuer' => $client[1], 'serial' => $client[2], 'pem' => $pem];
    }

    /** @internal what it is made of, which is faster than the properties @return list<mixed> REQUEST (SPEC.md §5.1) */
    public function message(): array
    {
        return $this->message;
    }

    /** @internal null: it came from no client */
    public function exchange(): ?Exchange
    {
        return $this->exchange;
    }

    /** @internal */
    public function source(): Body
    {
        return $this->body ??= $this->exchange->body ??= new Body($this->exchange);
    }

    private function path(): string
    {
        $path = \strstr($this->target, '?', true);

        return $path === false ? $this->target : $path;
    }

    private function decode(string $name): mixed
    {
        switch ($name) {
            case 'queryString':
                $at = \strpos($this->target, '?');

                return $at === false ? '' : \substr($this->target, $at + 1);
            case 'query':
                return Form::parse($this->__get('queryString'));
            case 'headers':
                return Headers::lists($this->message[9], $this->host);
            case 'cookies':
                return Cookie::parse($this->header('cookie'));
            case 'form':
                if ($this->message[12] !== null) {
                    return Form::fromPairs($this->message[12][0]);
                }
                $type = \strtolower(\trim(\explode(';', $this->header('content-type'), 2)[0]));

                return $type === 'application/x-www-form-urlencoded' ? Form::parse($this->body()) : [];
            case 'files':
                $files = [];
                foreach ($this->message[12][1] ?? [] as $file) {
                    $folders = \strrpos(\strtr($file[1], '\\', '/'), '/');
                    $name = $folders === false ? $file[1] : \substr($file[1], $folders + 1);
                    $files[] = new UploadedFile($file[0], $name, $file[2], $file[3], $file[4], $file[5], $file[1]);
                }

                return $files;
            default:
                throw new \Error("A request has no \$$name");
        }
    }
}
