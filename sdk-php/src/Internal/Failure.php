<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Log;

/**
 * @internal What the log and the client hear when a handler fails: the log all of it, the client nothing of the code
 *     unless HELLO said dev.
 */
final class Failure
{
    /** Whether the host runs with --dev, where it is not handed in. */
    public static bool $dev = false;

    /** The exception in one line. */
    public static function summary(\Throwable $e): string
    {
        return $e::class . ': ' . $e->getMessage() . ' in ' . $e->getFile() . ':' . $e->getLine();
    }

    public static function log(\Throwable $e, Request $request): void
    {
        Log::error(self::summary($e), ['method' => $request->method, 'target' => $request->target,
            'trace' => (string) $e]);
    }

    /** @param string $trace shown with dev alone */
    public static function page(bool $dev, string $summary, string $trace, Request $request): Response
    {
        $style = 'body{font:16px/1.5 system-ui,sans-serif;margin:4rem auto;max-width:60rem;padding:0 '
            . '1rem}pre{overflow:auto;padding:1rem;background:#f4f4f4}';
        if ($dev) {
            $text = '<h1>' . self::escape($summary) . '</h1><p>'
                . self::escape($request->method . ' ' . $request->target) . '</p><pre>'
                . self::escape($trace) . '</pre><p>This page shows because the host runs with --dev.</p>';
        } else {
            $text = '<h1>Internal Server Error</h1><p>Something went wrong here. It has been logged.</p>';
        }

        return Response::html("<!DOCTYPE html>\n<meta charset=\"utf-8\"><title>Internal Server "
            . "Error</title><style>$style</style>\n$text\n", 500);
    }

    private static function escape(string $text): string
    {
        return \htmlspecialchars(\strlen($text) > 32768 ? \substr($text, 0, 32768) . '…' : $text,
            \ENT_QUOTES | \ENT_SUBSTITUTE, 'UTF-8');
    }
}
