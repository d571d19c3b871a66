<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http;

use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Http;
use WorkerHost\Http\UploadedFile;

/** A request, as a program reads it. It is made of its bytes, or of what the host has taken apart already. */
class Request implements \Stringable
{
    public ?TcpConnection $connection = null;
    /** What the program keeps on it. @var array<string, mixed> */
    public array $properties = [];
    /** What belongs to the request: its `session`, the `sid` of that, and what the program adds. @var array<mixed> */
    public array $context = [];
    /** What was taken apart, by its name. @var array<string, mixed> */
    protected array $data = [];

    public function __construct(protected string $buffer)
    {
    }

    /**
     * @internal the request that came to the host
     *
     * @return self of the class that the program has chosen
     */
    public static function of(\WorkerHost\Http\Request $from, TcpConnection $connection): self
    {
        $head = "$from->method $from->target HTTP/$from->protocolVersion\r\n";
        foreach ($from->headers as $name => $values) {
            foreach ($values as $value) {
                $head .= "$name: $value\r\n";
            }
        }
        $class = Http::requestClass();
        $request = new $class("$head\r\n" . $from->body());
        $request->connection = $connection;
        if ($from->form !== []) {
            $request->data['post'] = $from->form;
        }
        $request->data['files'] = self::uploads($from->files);
        $request->data['trailers'] = \array_map(static fn (array $values): string => \implode(',', $values),
            $from->trailers);

        return $request;
    }

    /** As PHP's $_FILES nests them, but with an array for each file. @param list<UploadedFile> $files */
    private static function uploads(array $files): array
    {
        $query = '';
        $list = [];
        foreach ($files as $i => $file) {
            $query .= \rawurlencode($file->field) . "=$i&";
            $list[] = ['name' => $file->name, 'tmp_name' => $file->path, 'size' => $file->size,
                'error' => $file->error, 'full_path' => $file->fullPath, 'type' => $file->type];
        }
        \parse_str(\strtr($query, ['%5B' => '[', '%5D' => ']']), $nested);
        \array_walk_recursive($nested, static function (mixed &$value) use ($list): void {
            $value = $list[(int) $value];
        });

        return $nested;
    }

    public function get(?string $name = null, mixed $default = null): mixed
    {
        if (!isset($this->data['get'])) {
            \parse_str($this->queryString(), $this->data['get']);
        }

        return self::one($this->data['get'], $name, $default);
    }

    public function post(?string $name = null, mixed $default = null): mixed
    {
        if (!isset($this->data['post'])) {
            $this->data['post'] = [];
            $type = (string) $this->header('content-type', '');
            if (\str_contains(\strtolower($type), 'json')) {
                $this->data['post'] = (array) \json_decode($this->rawBody(), true);
            } elseif (!\str_contains(\strtolower($type), 'multipart/')) {
                \parse_str($this->rawBody(), $this->data['post']);
            }
        }

        return self::one($this->data['post'], $name, $default);
    }

    public function header(?string $name = null, mixed $default = null): mixed
    {
        if (!isset($this->data['headers'])) {
            $this->data['headers'] = [];
            foreach (\array_slice(\explode("\r\n", $this->rawHead()), 1) as $line) {
                [$key, $value] = \explode(':', $line, 2) + [1 => ''];
                $key = \strtolower($key);
                $known = $this->data['headers'][$key] ?? null;
                $separator = $key === 'cookie' ? '; ' : ',';
                $this->data['headers'][$key] = ($known === null ? '' : $known . $separator) . \trim($value);
            }
        }

        return self::one($this->data['headers'], $name === null ? null : \strtolower($name), $default);
    }

    /** The values are as they came: what Response::cookie() has encoded, rawurldecode() makes readable. */
    public function cookie(?string $name = null, mixed $default = null): mixed
    {
        if (!isset($this->data['cookie'])) {
            $this->data['cookie'] = [];
            foreach (\explode(';', (string) $this->header('cookie', '')) as $pair) {
                [$key, $value] = \explode('=', $pair, 2) + [1 => null];
                if ($value !== null) {
                    $this->data['cookie'][\trim($key)] = $value;
                }
            }
        }

        return self::one($this->data['cookie'], $name, $default);
    }

    /** A field that came behind a body in chunks. */
    public function trailer(?string $name = null, mixed $default = null): mixed
    {
        return self::one($this->data['trailers'] ?? [], $name === null ? null : \strtolower($name), $default);
    }

    /** @return array<mixed>|null */
    public function file(?string $name = null): mixed
    {
        return self::one($this->data['files'] ?? [], $name, null);
    }

    public function method(): string
    {
        return $this->line()[0];
    }

    public function protocolVersion(): string
    {
        return \substr($this->line()[2] ?? 'HTTP/1.1', 5);
    }

    public function uri(): string
    {
        return $this->line()[1] ?? '/';
    }

    public function path(): string
    {
        return \explode('?', $this->uri(), 2)[0];
    }

    public function queryString(): string
    {
        return \explode('?', $this->uri(), 2)[1] ?? '';
    }

    public function host(bool $withoutPort = false): ?string
    {
        $host = $this->header('host');

        return $host !== null && $withoutPort ? \preg_replace('/:\d{1,5}$/', '', (string) $host) : $host;
    }

    public function rawHead(): string
    {
        return $this->data['head'] ??= \explode("\r\n\r\n", $this->buffer, 2)[0];
    }

    public function rawBody(): string
    {
        return \substr($this->buffer, \strlen($this->rawHead()) + 4);
    }

    public function rawBuffer(): string
    {
        return $this->buffer;
    }

    public function session(): Session
    {
        return $this->context['session'] ??= new Session($this->sessionId());
    }

    /** The id of the session, whose cookie the answer then sets; $sessionId gives it another one. */
    public function sessionId(?string $sessionId = null): string
    {
        if ($sessionId !== null && $sessionId !== '') {
            unset($this->context['sid'], $this->context['session']);
            $this->begin($sessionId);
        } elseif (!isset($this->context['sid'])) {
            $sid = $this->cookie(Session::$name, '');
            $sid = \preg_match('/^"(.*)"$/sD', $sid, $quoted) === 1 ? $quoted[1] : $sid;
            if ($this->isValidSessionId($sid)) {
                $this->context['sid'] = $sid;
            } else {
                $this->begin(static::createSessionId());
            }
        }

        return $this->context['sid'];
    }

    private function begin(string $sid): void
    {
        $this->setSidCookie(Session::$name, $sid, Session::getCookieParams());
        $this->context['sid'] = $sid;
    }

    public function isValidSessionId(mixed $sessionId): bool
    {
        return \is_string($sessionId) && \preg_match('/^[a-zA-Z0-9,-]{16,256}$/D', $sessionId) === 1;
    }

    public function sessionRegenerateId(bool $deleteOldSession = false): string
    {
        $session = $this->session();
        $kept = $session->all();
        if ($deleteOldSession) {
            $session->flush();
        }
        $session->save();
        $sid = $this->sessionId(static::createSessionId());
        $this->session()->put($kept);

        return $sid;
    }

    public static function createSessionId(): string
    {
        return \bin2hex(\random_bytes(20));
    }

    /** @param array<string, mixed> $cookieParams */
    protected function setSidCookie(string $sessionName, string $sid, array $cookieParams): void
    {
        if ($this->connection === null) {
            throw new \RuntimeException('A session of a request needs its connection');
        }
        $cookie = (new Response())->cookie($sessionName, $sid, $cookieParams['lifetime'] ?: null,
            $cookieParams['path'], $cookieParams['domain'], $cookieParams['secure'], $cookieParams['httponly'],
            $cookieParams['samesite']);
        $this->connection->headers['Set-Cookie'] = $cookie->getHeader('Set-Cookie');
    }

    public function __toString(): string
    {
        return $this->buffer;
    }

    public function __set(string $name, mixed $value): void
    {
        $this->properties[$name] = $value;
    }

    public function __get(string $name): mixed
    {
        return $this->properties[$name] ?? null;
    }

    public function __isset(string $name): bool
    {
        return isset($this->properties[$name]);
    }

    public function __unset(string $name): void
    {
        unset($this->properties[$name]);
    }

    /** Lets go of what refers back to it. */
    public function destroy(): void
    {
        $this->context = $this->properties = [];
        $this->connection = null;
    }

    /** @return list<string> method, target, version */
    private function line(): array
    {
        return $this->data['line'] ??= \explode(' ', \explode("\r\n", $this->rawHead(), 2)[0]);
    }

    /** @param array<mixed> $all */
    private static function one(array $all, ?string $name, mixed $default): mixed
    {
        return $name === null ? $all : $all[$name] ?? $default;
    }
}
