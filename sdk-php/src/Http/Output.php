<?php

declare(strict_types=1);

namespace WorkerHost\Http;

/**
 * Status, headers and cookies for code whose echo is the body: Worker::superglobals(capture: true).
 *
 * PHP's own header(), http_response_code() and setcookie() can't be seen by any script of PHP's command line, which
 * drops what they are given. Calls to these have to become calls to this class.
 */
final class Output
{
    private static ?Response $head = null;
    /** Whether the head has been sent. */
    private static bool $committed = false;

    /** In place of http_response_code(404). */
    public static function status(int $status): void
    {
        self::change(static fn (Response $head): Response => $head->withStatus($status));
    }

    /** In place of header("$name: $value"). $replace: false adds it beside those of the same name. */
    public static function header(string $name, string $value, bool $replace = true): void
    {
        self::change(static fn (Response $head): Response => $replace
            ? $head->withHeader($name, $value)
            : $head->withAddedHeader($name, $value));
    }

    /** In place of setcookie(). */
    public static function cookie(Cookie $cookie): void
    {
        self::change(static fn (Response $head): Response => $head->withCookie($cookie));
    }

    /** In place of header('Location: …'). The code runs on; return when it should not. */
    public static function redirect(string $location, int $status = 302): void
    {
        self::change(static fn (Response $head): Response => $head
            ->withStatus($status)
            ->withHeader('Location', $location));
    }

    /** @internal before the handler */
    public static function start(): void
    {
        self::$head = Response::html('');
        self::$committed = false;
    }

    /** @internal the head, which is sent with what is printed, and can't be changed any more */
    public static function commit(): Response
    {
        self::$committed = true;

        return self::$head ?? new Response();
    }

    /** @internal */
    public static function committed(): bool
    {
        return self::$committed;
    }

    /**
     * @internal the whole response, or what is left of it
     *
     * @param string $rest     what was printed and not sent
     * @param bool   $answered whether the beginning was sent; a head that is committed and was not sent has no body
     */
    public static function end(string $rest, bool $answered): Response
    {
        $head = self::$head ?? new Response();

        return $head->withBody($answered ? [$rest] : (self::$committed ? '' : $rest));
    }

    /** @internal the request is over */
    public static function forget(): void
    {
        self::$head = null;
        self::$committed = false;
    }

    /** @param \Closure(Response): Response $change */
    private static function change(\Closure $change): void
    {
        $head = self::$head ?? throw new \Error(
            'WorkerHost\Http\Output is for code whose echo is the body, under superglobals(capture: true); elsewhere '
                . 'return a Response',
        );
        if (self::$committed) {
            $why = 'Cannot modify status, headers and cookies: they were sent with what was printed before';
            \trigger_error($why, \E_USER_WARNING);
        } else {
            self::$head = $change($head);
        }
    }
}
