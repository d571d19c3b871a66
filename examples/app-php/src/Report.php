<?php

declare(strict_types=1);

namespace App;

use WorkerHost\Http\{Request, Response};
use WorkerHost\Log;

/** A download that is made while it is sent, so that its length costs no memory. */
final class Report
{
    private const BLOCK = 32768;

    public function csv(Request $request): Response
    {
        $rows = max(1, min(100_000_000, (int) ($request->query['rows'] ?? 10_000)));

        return Response::stream(self::rows($rows), headers: [
            'Content-Type' => 'text/csv; charset=utf-8',
            'Content-Disposition' => 'attachment; filename="report.csv"',
        ]);
    }

    /** Many rows to a chunk, because each chunk goes out by itself. @return \Generator<string> */
    private static function rows(int $rows): \Generator
    {
        $sent = 0;
        try {
            $block = "number,square,root\r\n";
            for ($n = 1; $n <= $rows; $n++) {
                $block .= $n . ',' . $n * $n . ',' . number_format(sqrt($n), 3, '.', '') . "\r\n";
                if ($n === $rows || strlen($block) >= self::BLOCK) {
                    yield $block;
                    $block = '';
                    $sent = $n;
                }
            }
        } finally {
            // This runs when the client leaves, too.
            Log::info($sent === $rows ? 'report sent' : 'report stopped, the client has left', ['rows' => $sent]);
        }
    }
}
