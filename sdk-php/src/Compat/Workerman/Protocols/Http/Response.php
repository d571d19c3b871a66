<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http;

/** An answer, as a program makes it; what it says of lengths and connections is the host's to say. */
class Response implements \Stringable
{
    public const PHRASES = [
        100 => 'Continue', 101 => 'Switching Protocols', 102 => 'Processing', 103 => 'Early Hints',
        200 => 'OK', 201 => 'Created', 202 => 'Accepted', 203 => 'Non-Authoritative Information', 204 => 'No Content',
        205 => 'Reset Content', 206 => 'Partial Content', 207 => 'Multi-Status', 208 => 'Already Reported',
        226 => 'IM Used',
        300 => 'Multiple Choices', 301 => 'Moved Permanently', 302 => 'Found', 303 => 'See Other',
        304 => 'Not Modified', 305 => 'Use Proxy', 307 => 'Temporary Redirect', 308 => 'Permanent Redirect',
        400 => 'Bad Request', 401 => 'Unauthorized', 402 => 'Payment Required', 403 => 'Forbidden',
        404 => 'Not Found', 405 => 'Method Not Allowed', 406 => 'Not Acceptable',
        407 => 'Proxy Authentication Required', 408 => 'Request Timeout', 409 => 'Conflict', 410 => 'Gone',
        411 => 'Length Required', 412 => 'Precondition Failed', 413 => 'Payload Too Large', 414 => 'URI Too Long',
        415 => 'Unsupported Media Type', 416 => 'Range Not Satisfiable', 417 => 'Expectation Failed',
        421 => 'Misdirected Request', 422 => 'Unprocessable Entity', 423 => 'Locked', 424 => 'Failed Dependency',
        425 => 'Too Early', 426 => 'Upgrade Required', 428 => 'Precondition Required', 429 => 'Too Many Requests',
        431 => 'Request Header Fields Too Large', 451 => 'Unavailable For Legal Reasons',
        500 => 'Internal Server Error', 501 => 'Not Implemented', 502 => 'Bad Gateway', 503 => 'Service Unavailable',
        504 => 'Gateway Timeout', 505 => 'HTTP Version Not Supported', 506 => 'Variant Also Negotiates',
        507 => 'Insufficient Storage', 508 => 'Loop Detected', 511 => 'Network Authentication Required',
    ];

    /** @var array{file: string, offset: int, length: int}|null */
    public ?array $file = null;
    protected ?string $reason = null;
    protected string $version = '1.1';

    /** @param array<string, string|list<string>>|null $headers */
    public function __construct(protected int $status = 200, protected ?array $headers = [],
        protected string $body = '')
    {
        $this->headers ??= [];
    }

    public function header(string $name, mixed $value): static
    {
        $this->headers[$name] = $value;

        return $this;
    }

    public function withHeader(string $name, mixed $value): static
    {
        return $this->header($name, $value);
    }

    /** @param array<string, string|list<string>> $headers */
    public function withHeaders(array $headers): static
    {
        $this->headers = \array_merge_recursive($this->headers, $headers);

        return $this;
    }

    public function withoutHeader(string $name): static
    {
        unset($this->headers[$name]);

        return $this;
    }

    /** @return array<string>|string|null */
    public function getHeader(string $name): array|string|null
    {
        return $this->headers[$name] ?? null;
    }

    /** @return array<string, string|list<string>> */
    public function getHeaders(): array
    {
        return $this->headers;
    }

    /** The phrase is the usual one, whatever is given. */
    public function withStatus(int $code, ?string $reasonPhrase = null): static
    {
        $this->status = $code;
        $this->reason = $reasonPhrase;

        return $this;
    }

    public function getStatusCode(): int
    {
        return $this->status;
    }

    public function getReasonPhrase(): ?string
    {
        return $this->reason;
    }

    public function withProtocolVersion(string $version): static
    {
        $this->version = $version;

        return $this;
    }

    public function withBody(string $body): static
    {
        $this->body = $body;

        return $this;
    }

    public function rawBody(): string
    {
        return $this->body;
    }

    /** The body is a file, or $length bytes of it from $offset on; 0 is to its end. */
    public function withFile(string $file, int $offset = 0, int $length = 0): static
    {
        if (!\is_file($file)) {
            return $this->withStatus(404)->withBody('<h3>404 Not Found</h3>');
        }
        $this->file = ['file' => $file, 'offset' => $offset, 'length' => $length];

        return $this;
    }

    public function cookie(string $name, string $value = '', ?int $maxAge = null, string $path = '',
        string $domain = '', bool $secure = false, bool $httpOnly = false, string $sameSite = ''): static
    {
        $this->headers['Set-Cookie'] = [...(array) ($this->headers['Set-Cookie'] ?? []), $name . '='
            . \rawurlencode($value) . ($domain === '' ? '' : "; Domain=$domain")
            . ($maxAge === null ? '' : "; Max-Age=$maxAge") . ($path === '' ? '' : "; Path=$path")
            . ($secure ? '; Secure' : '') . ($httpOnly ? '; HttpOnly' : '')
            . ($sameSite === '' ? '' : "; SameSite=$sameSite")];

        return $this;
    }

    /** For logs: what goes to the client is made by the host. */
    public function __toString(): string
    {
        $reason = $this->reason ?? self::PHRASES[$this->status] ?? '';
        $head = "HTTP/$this->version $this->status $reason\r\n";
        foreach ($this->headers as $name => $values) {
            foreach ((array) $values as $value) {
                $head .= "$name: $value\r\n";
            }
        }

        return "$head\r\n$this->body";
    }
}
