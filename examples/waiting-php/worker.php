<?php

// A page that asks a slow service for three prices at once, and 200 such pages in each worker.

declare(strict_types=1);

use WorkerHost\{Async, Worker};
use WorkerHost\Http\{Request, Response};

require __DIR__ . '/../../sdk-php/autoload.php';

const PRICES = ['tea' => '3.20', 'coffee' => '2.80', 'cake' => '4.10'];

/** What the service says of a thing. Only this request waits for it, five seconds at the most. */
function price(string $thing): string
{
    $flags = STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT;
    $service = stream_socket_client((string) getenv('PRICES'), $code, $why, 5.0, $flags)
        ?: throw new RuntimeException("the service can not be reached: $why");
    stream_set_blocking($service, false);
    Async::writable($service, 5.0) || throw new RuntimeException('the service does not answer');
    fwrite($service, "GET /price/$thing HTTP/1.0\r\nHost: prices\r\n\r\n");
    for ($answer = ''; !feof($service); $answer .= fread($service, 8192)) {
        Async::readable($service, 5.0) || throw new RuntimeException('the service says nothing');
    }

    return explode("\r\n\r\n", $answer, 2)[1];
}

Worker::create()
    ->concurrency(800) // pages, and the prices that they ask this example for
    ->onRequest(function (Request $request): Response {
        if (preg_match('~^/price/(\w+)$~', $request->path, $match) === 1) {
            Async::delay(0.2); // so slow is the service

            return Response::text(PRICES[$match[1]] ?? 'unknown');
        }

        return Response::json(Async::all([
            'tea' => fn (): string => price('tea'),
            'coffee' => fn (): string => price('coffee'),
            'cake' => fn (): string => price('cake'),
        ]));
    })
    ->run();
