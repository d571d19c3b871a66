<?php

declare(strict_types=1);

namespace App\Http\Controllers;

use Illuminate\Contracts\View\View;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Symfony\Component\HttpFoundation\StreamedResponse;

/** A page with a session, one with JSON, one that fails, and a download that is on its way while it is made. */
final class Pages
{
    public function home(Request $request): View
    {
        $visits = 1 + $request->session()->get('visits', 0);
        $request->session()->put('visits', $visits);

        return view('home', ['visits' => $visits, 'pid' => getmypid()]);
    }

    public function hello(string $name, Request $request): JsonResponse
    {
        return response()->json(['hello' => $name, 'query' => $request->query(), 'client' => $request->ip(),
            'url' => route('hello', $name)]);
    }

    public function broken(): never
    {
        throw new \RuntimeException('the database of example.internal refused our password');
    }

    public function report(Request $request): StreamedResponse
    {
        $rows = max(1, min(100_000_000, (int) $request->query('rows', '10000')));

        return response()->streamDownload(static function () use ($rows): void {
            echo "number,square\r\n";
            for ($n = 1; $n <= $rows; $n++) {
                echo $n, ',', $n * $n, "\r\n";
            }
        }, 'report.csv', ['Content-Type' => 'text/csv; charset=utf-8']);
    }
}
