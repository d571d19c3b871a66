<?php

declare(strict_types=1);

namespace WorkerHost\Http;

use WorkerHost\Internal\Head;

/**
 * Status, headers and cookies for code whose echo is the body: Worker::superglobals(capture: true).
 *
 * header(), http_response_code() and setcookie() do the same, where the host has started PHP. Started in another way
 * PHP has its own, which its command line drops: there calls to them have to become calls to this class.
 */
final class Output
{
    /** As http_response_code(404). */
    public static function status(int $status): void
    {
        self::check();
        Head::setStatus($status);
    }

    /**
     * As header("$name: $value"). $replace: false adds it beside those of the same name.
     *
     * @throws \ValueError if HTTP does not allow the name or the value
     */
    public static function header(string $name, string $value, bool $replace = true): void
    {
        self::check();
        Head::field($name, $value, $replace);
    }

    /** As setcookie(). */
    public static function cookie(Cookie $cookie): void
    {
        self::check();
        Head::field('Set-Cookie', (string) $cookie, false);
    }

    /** As header('Location: …'). The code runs on; return when it should not. */
    public static function redirect(string $location, int $status = 302): void
    {
        self::check();
        Head::field('Location', $location, true);
        Head::setStatus($status);
    }

    private static function check(): void
    {
        if (!Head::isOpen()) {
            throw new \Error('WorkerHost\Http\Output is for code whose echo is the body, under '
                . 'superglobals(capture: true); elsewhere return a Response');
        }
    }
}
