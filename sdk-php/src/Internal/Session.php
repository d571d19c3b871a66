<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Log;

/**
 * @internal PHP's own sessions in a process that stays. Between requests PHP keeps the session's id, its data, and
 *     even the open session itself:
 * without this the next client would find itself in the session of the one before.
 */
final class Session
{
    /** The id that the client's cookie names, and whether its answer tells of the session by now. */
    private static string $known = '';
    private static bool $limited = false;

    /**
     * Takes the id from the client's cookie, as a web server's PHP would; without one session_start() makes a new
     * session.
     */
    public static function start(): void
    {
        if (self::canChange()) {
            $id = $_COOKIE === [] ? '' : $_COOKIE[(string) \session_name()] ?? '';
            self::$known = \is_string($id) && \preg_match('/^[-,a-zA-Z0-9]{1,256}$/D', $id) === 1 ? $id : '';
            if (\session_id() !== self::$known) {
                \session_id(self::$known);
            }
            self::$limited = false;
        }
    }

    /**
     * Writes the session, if one is open: before the client has the end of its answer, since what it asks for then,
     * another worker may look up there. What a save handler of the application's throws is logged.
     */
    public static function write(): void
    {
        try {
            if (\function_exists('session_status') && \session_status() === \PHP_SESSION_ACTIVE) {
                \session_write_close();
            }
        } catch (\Throwable $e) {
            Log::error('the session was not written: ' . Failure::summary($e), ['trace' => (string) $e]);
        }
    }

    /**
     * Writes the session, if one is open still, and forgets it.
     *
     * @return bool false if PHP still holds the id: then this process must take no other request
     */
    public static function end(): bool
    {
        if (!\function_exists('session_status')
            || \session_status() === \PHP_SESSION_NONE && !isset($_SESSION) && \session_id() === '') {
            return true;
        }
        self::write();
        unset($_SESSION);
        if (self::canChange() && \session_id() !== '') {
            \session_id('');
        }

        return \session_id() === '';
    }

    /**
     * Puts into the head of the response what session_start() and session_regenerate_id() have sent, and the command
     * line drops: the cookie, if it is another one than the client's, and the headers of the cache limiter.
     */
    public static function announce(): void
    {
        if (!\function_exists('session_status')
            || \session_status() !== \PHP_SESSION_ACTIVE && !isset($_SESSION)) {
            return;
        }
        $id = (string) \session_id();
        if ($id !== '' && $id !== self::$known && \ini_get('session.use_cookies')) {
            self::$known = $id;
            $cookie = \session_get_cookie_params();
            $name = \urlencode((string) \session_name());
            $expires = $cookie['lifetime'] > 0 ? \time() + $cookie['lifetime'] : 0;
            Head::replaceCookie($name, SetCookie::text(
                $name, \urlencode($id), $expires, $cookie['path'], $cookie['domain'],
                $cookie['secure'], $cookie['httponly'], $cookie['samesite'],
            ));
        }
        if (!self::$limited) {
            self::$limited = true;
            self::limit((string) \session_cache_limiter(), (int) \session_cache_expire() * 60);
        }
    }

    /** @param int $seconds for which the page may be kept */
    private static function limit(string $limiter, int $seconds): void
    {
        $date = static fn (int $time): string => \gmdate('D, d M Y H:i:s \G\M\T', $time);
        $long = 'Thu, 19 Nov 1981 08:52:00 GMT'; // PHP's own way to say: long ago
        $fields = match ($limiter) {
            'nocache' => [
                'Expires' => $long, 'Cache-Control' => 'no-store, no-cache, must-revalidate', 'Pragma' => 'no-cache',
            ],
            'public' => ['Expires' => $date(\time() + $seconds), 'Cache-Control' => "public, max-age=$seconds"],
            'private' => ['Expires' => $long, 'Cache-Control' => "private, max-age=$seconds"],
            'private_no_expire' => ['Cache-Control' => "private, max-age=$seconds"],
            default => [],
        };
        $script = $_SERVER['SCRIPT_FILENAME'] ?? '';
        if ($limiter !== 'nocache' && $fields !== [] && \is_file($script)) {
            $fields['Last-Modified'] = $date((int) \filemtime($script));
        }
        foreach ($fields as $name => $value) {
            Head::field($name, $value, true);
        }
    }

    /** Where PHP holds that headers were sent, it neither changes the id nor starts a session. */
    private static function canChange(): bool
    {
        return \function_exists('session_status') && \session_status() === \PHP_SESSION_NONE
            && !(Printed::hasEscaped() && \ini_get('session.use_cookies'));
    }
}
