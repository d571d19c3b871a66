<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Log;

/**
 * @internal PHP's error_log(), which writes to standard error, where nothing tells whose a line is: what the ini setting
 * error_log does not send elsewhere is an entry of the request at hand.
 */
final class ErrorLog
{
    public static function write(string $message, int $type, ?string $destination, ?string $headers): bool
    {
        switch ($type) {
            case 1:
                return \mail((string) $destination, 'PHP error_log message', $message, (string) $headers);
            case 2:
                \trigger_error('error_log(): TCP/IP option not available!', \E_USER_WARNING);

                return false;
            case 3:
                return \file_put_contents((string) $destination, $message, \FILE_APPEND) === \strlen($message);
            case 4:
                break;
            default:
                if (self::elsewhere((string) \ini_get('error_log'), $message)) {
                    return true;
                }
        }
        Log::line($message);

        return true;
    }

    /** Writes it to where the ini setting says, if it says so and that can be. */
    private static function elsewhere(string $to, string $message): bool
    {
        if ($to === '') {
            return false;
        }
        if ($to === 'syslog') {
            return \syslog(\LOG_NOTICE, $message);
        }

        return @\file_put_contents($to, '[' . \date('d-M-Y H:i:s e') . "] $message" . \PHP_EOL, \FILE_APPEND) !== false;
    }
}
