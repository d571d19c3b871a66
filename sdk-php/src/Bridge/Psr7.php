<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\StreamInterface;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Printed;

/** PSR-7 responses as responses of this SDK. A handler may as well return a PSR-7 response itself. */
final class Psr7
{
    private const CHUNK = 65536;

    /**
     * A body of up to 64 KiB is sent with the head, a longer one (or one of unknown length) in chunks of 64 KiB as the
     * client takes them. One that can't be read is made a string of, as PSR-7's emitters do, and what it prints
     * meanwhile comes before that, in blocks of 16 KiB or at each flush().
     */
    public static function response(ResponseInterface $response): Response
    {
        $body = $response->getBody();
        $size = $body->getSize();
        if (!$body->isReadable()) {
            $print = static function () use ($body): void {
                echo $body;
            };

            return Response::stream(Printed::body($print, $response->getHeaderLine('Content-Type'),
                $response->getHeaderLine('X-Accel-Buffering')), $response->getStatusCode())
                ->withoutHeader('Content-Type')->withHeaders($response->getHeaders());
        }
        $result = new Response($response->getStatusCode(), $response->getHeaders());
        if ($size !== null && $size <= self::CHUNK) {
            return $result->withBody((string) $body);
        }

        return $result->withBody(self::chunks($body));
    }

    /** @return \Generator<string> */
    private static function chunks(StreamInterface $body): \Generator
    {
        try {
            if ($body->isSeekable()) {
                $body->rewind();
            }
            while (!$body->eof()) {
                yield $body->read(self::CHUNK);
            }
        } finally {
            $body->close();
        }
    }
}
