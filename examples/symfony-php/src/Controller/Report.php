<?php

declare(strict_types=1);

namespace App\Controller;

use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\StreamedResponse;
use WorkerHost\Log;

/** A download that is echoed row by row, as under any other server; it is on its way while it is made. */
final class Report
{
    public function __invoke(Request $request): StreamedResponse
    {
        $rows = max(1, min(100_000_000, $request->query->getInt('rows', 10_000)));

        return new StreamedResponse(static function () use ($rows): void {
            $n = 0;
            try {
                echo "number,square\r\n";
                while ($n < $rows) {
                    $n++;
                    echo $n, ',', $n * $n, "\r\n";
                }
            } finally {
                // This runs when the client leaves, too.
                Log::info($n === $rows ? 'report sent' : 'report stopped, the client has left', ['rows' => $n]);
            }
        }, 200, ['Content-Type' => 'text/csv; charset=utf-8',
        'Content-Disposition' => 'attachment; filename="report.csv"']);
    }
}
