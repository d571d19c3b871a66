<?php

declare(strict_types=1);

namespace WorkerHost\Http;

/**
 * Status, headers and cookies for code whose echo is the body: Worker::superglobals(capture: true).
 *
 * PHP's own header(), http_response_code() and setcookie() can't be seen by any script of PHP's command line, which drops what they are given.
 * Calls to these have to become calls to this class.
 */
final class Output
{
    private static ?Response $head = null;

    /** In place of http_response_code(404). */
    public static function status(int $status): void
    {
        self::$head = self::head()->withStatus($status);
    }

    /** In place of header("$name: $value"). $replace: false adds it beside those of the same name. */
    public static function header(string $name, string $value, bool $replace = true): void
    {
        self::$head = $replace ? self::head()->withHeader($name, $value) : self::head()->withAddedHeader($name, $value);
    }

    /** In place of setcookie(). */
    public static function cookie(Cookie $cookie): void
    {
        self::$head = self::head()->withCookie($cookie);
    }

    /** In place of header('Location: …'). The code runs on; return when it should not. */
    public static function redirect(string $location, int $status = 302): void
    {
        self::status($status);
        self::header('Location', $location);
    }

    /** @internal before the handler */
    public static function begin(): void
    {
        self::$head = Response::html('');
    }

    /** @internal after the handler */
    public static function end(?string $body): ?Response
    {
        $response = $body === null ? null : self::head()->withBody($body);
        self::$head = null;

        return $response;
    }

    private static function head(): Response
    {
        return self::$head ?? throw new \Error(
            'WorkerHost\Http\Output is for code whose echo is the body, under superglobals(capture: true); elsewhere return a Response',
        );
    }
}
