<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Log;

/**
 * @internal The head of a response that is what the code prints: what header() and its kin (functions.php) and
 * WorkerHost\Http\Output set and tell. The rules and the words are PHP's (main/SAPI.c, ext/standard/head.c).
 *
 * Where no such response is at hand there is nothing to set, as under PHP's command line.
 */
final class Head
{
    private static ?Request $request = null;
    private static int $status = 200;
    /** @var list<array{string, string, string}> lower-case name, name and value, in the order of headers_list() */
    private static array $fields = [];
    /** @var (callable(): mixed)|null */
    private static $callback = null;
    /** What was sent, after which nothing can be changed. */
    private static ?Response $sent = null;
    /** @var array{string, int} where the code has printed what the head was sent with */
    private static array $place = ['', 0];
    /** Whether it was said that a header goes nowhere. */
    private static bool $warned = false;

    public static function start(Request $request): void
    {
        self::$request = $request;
        self::$status = 200;
        self::$fields = [];
        self::$callback = self::$sent = null;
        self::$place = ['', 0];
    }

    public static function forget(): void
    {
        self::$request = self::$callback = self::$sent = null;
        self::$fields = [];
    }

    /** As headers_sent(). */
    public static function hasGone(): bool
    {
        return self::$request === null ? Printed::hasEscaped() : self::$sent !== null;
    }

    /** Whether what the code prints is the response, and so has a head. */
    public static function isOpen(): bool
    {
        return self::$request !== null;
    }

    public static function isSent(): bool
    {
        return self::$sent !== null;
    }

    /** @return array{string, int} file and line of what was printed first; '' and 0 if that is not known */
    public static function place(): array
    {
        return self::$place;
    }

    /** As header(). */
    public static function line(string $line, bool $replace, int $status): void
    {
        $line = \rtrim($line);
        if (!self::mayChange() || $line === '') {
            return;
        }
        if (\strpbrk($line, "\r\n") !== false) {
            self::warn('Header may not contain more than a single header, new line detected');

            return;
        }
        if (\str_contains($line, "\0")) {
            self::warn('Header may not contain NUL bytes');

            return;
        }
        if (\strncasecmp($line, 'HTTP/', 5) === 0) {
            self::setStatus(\preg_match('/^\S+ +(\d+)/', $line, $match) === 1 ? (int) $match[1] : 200);
        } else {
            [$name, $value] = \explode(':', $line, 2) + [1 => null];
            try {
                $value ?? throw new \ValueError('there is no colon in it');
                self::put(\rtrim($name), \ltrim($value), $replace);
            } catch (\ValueError $e) {
                $what = 'header() was given what HTTP has no place for, and it is left out: ';
                Log::warn($what . $e->getMessage(), ['header' => $line]);
            }
        }
        if ($status !== 0) {
            self::setStatus($status);
        }
    }

    /**
     * Sets a field, with what PHP does beside: `Location` makes a redirect, and text gets a charset.
     *
     * @throws \ValueError if HTTP does not allow the name or the value
     */
    public static function field(string $name, string $value, bool $replace): void
    {
        if (self::mayChange()) {
            self::put($name, $value, $replace);
        }
    }

    /** @throws \ValueError as field() */
    private static function put(string $name, string $value, bool $replace): void
    {
        Headers::check($name, $value);
        $key = \strtolower($name);
        if ($key === 'location' && (self::$status < 300 || self::$status > 399) && self::$status !== 201) {
            self::$status = 302;
        } elseif ($key === 'www-authenticate') {
            self::$status = 401;
        } elseif ($key === 'content-type') {
            $replace = true;
            $charset = (string) \ini_get('default_charset');
            if ($charset !== '' && \str_starts_with($value, 'text/') && !\str_contains($value, 'charset=')) {
                $value .= ";charset=$charset";
            }
        }
        if ($replace && self::$fields !== []) {
            self::drop($key);
        }
        self::$fields[] = [$key, $name, $value];
    }

    /** As header_remove(). */
    public static function remove(?string $name): void
    {
        if (!self::mayChange()) {
            return;
        }
        if ($name === null) {
            self::$fields = [];
        } elseif (\str_contains($name, ':')) {
            self::warn('Header to delete may not contain colon.');
        } else {
            self::drop(\strtolower($name));
        }
    }

    /** Takes away the fields of that lower-case name, or of them those whose values begin so. */
    private static function drop(string $key, string $beginning = ''): void
    {
        foreach (self::$fields as $i => $field) {
            if ($field[0] === $key && \str_starts_with($field[2], $beginning)) {
                unset(self::$fields[$i]);
                $gone = true;
            }
        }
        if (isset($gone)) {
            self::$fields = \array_values(self::$fields);
        }
    }

    /** A cookie in place of the one of that name; a session's is sent once. */
    public static function replaceCookie(string $name, string $cookie): void
    {
        self::drop('set-cookie', "$name=");
        self::$fields[] = ['set-cookie', 'Set-Cookie', $cookie];
    }

    /** As headers_list(), a pair for each. @return list<array{string, string}> names and values */
    public static function list(): array
    {
        self::announce();

        return \array_map(static fn (array $field): array => [$field[1], $field[2]], self::$fields);
    }

    /** As http_response_code(). */
    public static function code(int $status): int|bool
    {
        if (self::$request === null) {
            return $status !== 0 && !self::mayChange();
        }
        $before = self::$status;
        if ($status !== 0 && self::$sent !== null) {
            self::warn('http_response_code(): Cannot set response code - headers already sent' . self::started());

            return false;
        }
        if ($status !== 0) {
            self::setStatus($status);
        }

        return $before;
    }

    /** @throws \ValueError for what is no status of a final response */
    public static function setStatus(int $status): void
    {
        if (self::mayChange()) {
            Response::checkStatus($status);
            self::$status = $status;
        }
    }

    /** As header_register_callback(). @param callable(): mixed $callback */
    public static function before(callable $callback): void
    {
        if (self::$sent === null && self::$request !== null) {
            self::$callback = $callback;
        }
    }

    /** Sends an informational response with the fields at hand. */
    public static function inform(int $status): void
    {
        $headers = [];
        foreach (self::list() as [$name, $value]) {
            $headers[$name][] = $value;
        }
        self::$request?->inform($status, $headers);
    }

    /** The head, which is sent with what is printed, and can't be changed any more. */
    public static function commit(): Response
    {
        if (self::$sent === null) {
            self::complete();
            self::$place = self::printing();
            self::$sent = Response::of(self::$status, self::pairs());
        }

        return self::$sent;
    }

    /**
     * The whole response, or what is left of it.
     *
     * @param string $rest     what was printed and not sent
     * @param bool   $answered whether the beginning was sent; a head that is committed and was not sent has no body
     */
    public static function end(string $rest, bool $answered): Response
    {
        if (self::$sent !== null) {
            return self::$sent->withBody($answered ? [$rest] : '');
        }
        self::complete();

        return self::$sent = Response::of(self::$status, self::pairs(), $rest);
    }

    /**
     * A response that the handler has returned, with what was set beside it and printed before it. Of a field that
     * both have the response's is sent; cookies are sent of both.
     *
     * @throws \LogicException if there is no place in it for what was printed
     */
    public static function join(Response $response, string $printed): Response
    {
        self::complete();
        if (self::$fields !== []) {
            [, $pairs] = $response->parts();
            $has = Headers::lists($pairs);
            $ours = [];
            foreach (self::$fields as [$key, $name, $value]) {
                if ($key === 'set-cookie' || !isset($has[$key])) {
                    \array_push($ours, $name, $value);
                }
            }
            $response = $response->beside($ours);
        }
        if ($printed === '') {
            return $response;
        }
        try {
            return $response->preceded($printed);
        } catch (\LogicException $e) {
            Printed::log($printed);
            throw $e;
        }
    }

    /** What comes to it last. */
    private static function complete(): void
    {
        self::announce();
        if (self::$callback !== null) {
            [$callback, self::$callback] = [self::$callback, null];
            $callback();
        }
    }

    /** What sessions have set by now. */
    private static function announce(): void
    {
        if (self::$request !== null && self::$sent === null) {
            Session::announce();
        }
    }

    /** @return list<string> */
    private static function pairs(): array
    {
        $pairs = ['Content-Type', 'text/html; charset=utf-8'];
        foreach (self::$fields as [$key, $name, $value]) {
            if ($key === 'content-type') {
                $pairs[1] = $value;
            } else {
                $pairs[] = $name;
                $pairs[] = $value;
            }
        }

        return $pairs;
    }

    private static function mayChange(): bool
    {
        if (self::$request === null) {
            if (!self::$warned && Log::isAnswering()) {
                self::$warned = true;
                Log::warn('header(), setcookie() and http_response_code() set nothing here: the handler returns the '
                    . 'response, with its headers; under superglobals(capture: true) they are heard');
            }

            return false;
        }
        if (self::$sent !== null) {
            $by = self::$place[0] === '' ? '' : ' by';
            self::warn("Cannot modify header information - headers already sent$by" . self::started());

            return false;
        }
        self::announce();

        return true;
    }

    private static function started(): string
    {
        return self::$place[0] === '' ? '' : ' (output started at ' . \implode(':', self::$place) . ')';
    }

    private static function warn(string $text): void
    {
        \trigger_error($text, \E_USER_WARNING);
    }

    /** Where the code stands that prints. @return array{string, int} */
    private static function printing(): array
    {
        $sdk = \dirname(__DIR__, 2) . \DIRECTORY_SEPARATOR;
        foreach (\debug_backtrace(\DEBUG_BACKTRACE_IGNORE_ARGS) as $frame) {
            if (isset($frame['file']) && !\str_starts_with($frame['file'], $sdk)) {
                return [$frame['file'], $frame['line']];
            }
        }

        return ['', 0];
    }
}
