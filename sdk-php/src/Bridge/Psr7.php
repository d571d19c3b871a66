<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\StreamInterface;
use WorkerHost\Http\Response;

/** PSR-7 responses as responses of this SDK. A handler may as well return a PSR-7 response itself. */
final class Psr7
{
    private const CHUNK = 65536;

    /**
     * A body of up to 64 KiB is sent with the head, a longer one (or one of unknown length) in chunks of 64 KiB as the
     * client takes them.
     */
    public static function response(ResponseInterface $response): Response
    {
        $body = $response->getBody();
        $size = $body->getSize();
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
