<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal PHP's own sessions in a process that stays. Between requests PHP keeps the session's id, its data, and
 *     even the open session itself:
 * without this the next client would find itself in the session of the one before.
 */
final class Session
{
    /**
     * Takes the id from the client's cookie, as a web server's PHP would; without one session_start() makes a new
     * session.
     */
    public static function start(): void
    {
        if (self::canChange()) {
            $id = $_COOKIE[(string) \session_name()] ?? '';
            \session_id(\is_string($id) && \preg_match('/^[-,a-zA-Z0-9]{1,256}$/D', $id) === 1 ? $id : '');
        }
    }

    /**
     * Writes the session, if one is open, and forgets it. A save handler of the application's may throw.
     *
     * @return bool false if PHP still holds the id: then this process must take no other request
     */
    public static function end(): bool
    {
        if (!\function_exists('session_status')) {
            return true;
        }
        try {
            if (\session_status() === \PHP_SESSION_ACTIVE) {
                \session_write_close();
            }
        } finally {
            unset($_SESSION);
            if (self::canChange() && \session_id() !== '') {
                \session_id('');
            }
        }

        return \session_id() === '';
    }

    /** Where PHP holds that headers were sent, it neither changes the id nor starts a session. */
    private static function canChange(): bool
    {
        return \function_exists('session_status') && \session_status() === \PHP_SESSION_NONE
            && !(\headers_sent() && \ini_get('session.use_cookies'));
    }
}
