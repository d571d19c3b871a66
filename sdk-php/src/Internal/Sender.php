<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\Response;
use WorkerHost\Log;
use WorkerHost\RequestCancelled;

/** @internal Responses onto the wire: one frame where it fits, a stream of DATA otherwise (SPEC.md §5.3, §5.5, §6). */
final class Sender
{
    private const LAST = Frame::FLAG_END | Frame::FLAG_DONE;

    /**
     * Sends all of $response, runs what is to run after it, and says DONE. Throws what the body's generator throws,
     * before that.
     *
     * @param Response|null $response taken over: a generator in it is stopped by letting go of it, so nobody else may
     *     hold on to it
     */
    public static function send(?Response &$response, Exchange $exchange, string $method): void
    {
        if (!$exchange->ended) {
            if ($response->isWhole()) {
                Session::write();
            }
            self::respond($response, $exchange, $method, true);
        }
        $response = null;
        if (!$exchange->done) {
            self::finish($exchange);
        }
    }

    /**
     * Sends all of $response, as send() does; and DONE with it only if $done and nothing is to run after it.
     */
    public static function respond(?Response &$response, Exchange $exchange, string $method, bool $done): void
    {
        $done = $done && $exchange->after === [];
        if (!$exchange->cancelled && $done && ($message = $response->small($exchange->stream)) !== null) {
            $exchange->complete($message);

            return;
        }
        [$status, $pairs, $body, $file, $trailers, $after, $hold, $fetch] = $response->parts();
        if ($fetch !== null) {
            Fetches::demand();
        }
        if ($after !== []) {
            \array_push($exchange->after, ...$after);
        }
        if (!$exchange->cancelled && $hold !== null && $method !== 'HEAD') {
            self::hold($exchange, $status, $pairs, $body, $hold);
        } elseif (!$exchange->cancelled && $fetch !== null) {
            $exchange->fetch($done && $exchange->after === [] ? self::LAST : Frame::FLAG_END, $status, $pairs, $body,
                $fetch);
        } elseif (!$exchange->cancelled) {
            $last = $done && $exchange->after === [] ? self::LAST : Frame::FLAG_END;
            if ($file !== null || \is_string($body) && $trailers === [] && \strlen($body) <= Frame::MAX_DATA) {
                $exchange->respond($last, $status, $pairs, $file === null ? $body : null, $file);
            } else {
                $response = null;
                self::long($exchange, $method, $status, $pairs, $body, $trailers, $last);
            }
        }
    }

    /**
     * Sends part of a body before the rest of it is there, and the head if it is the first: one that is to be held, if
     * $head is.
     *
     * @throws RequestCancelled once nobody wants it
     */
    public static function part(Response $head, string $bytes, Exchange $exchange, string $method): void
    {
        [$status, $pairs, , , , , $hold] = $head->parts();
        if (!self::bodiless($method, $status) && !self::chunk($exchange, $status, $pairs, $bytes, $hold)) {
            throw new RequestCancelled($exchange->reason);
        }
    }

    private static function bodiless(string $method, int $status): bool
    {
        return $method === 'HEAD' || $status === 204 || $status === 304;
    }

    /** Runs what was to run after the response, however that went, and says DONE. */
    public static function finish(Exchange $exchange): void
    {
        while ($exchange->after !== []) {
            $mark = $exchange->acts?->mark();
            try {
                (\array_shift($exchange->after))();
            } catch (LinkError $e) {
                throw $e;
            } catch (\Throwable $e) {
                $exchange->acts?->rollback($mark);
                Log::error('after the response: ' . Failure::summary($e), ['trace' => (string) $e]);
            }
        }
        $exchange->finish();
    }

    /**
     * The head and first bytes of a response that is held; with DONE it becomes a connection.
     *
     * @param list<string> $pairs
     * @param list<mixed>  $hold
     */
    private static function hold(Exchange $exchange, int $status, array $pairs, mixed $body, array $hold): void
    {
        if (!\is_string($body)) {
            throw new \TypeError('The first bytes of a response that is held are a string, not '
                . \get_debug_type($body));
        }
        if ($exchange->answered) {
            $exchange->data($body); // its head has gone with an earlier part

            return;
        }
        $flags = $exchange->after === [] && \strlen($body) <= Frame::MAX_DATA ? Frame::FLAG_DONE : 0;
        $exchange->respond($flags, $status, $pairs, \substr($body, 0, Frame::MAX_DATA), null, $hold);
        if (\strlen($body) > Frame::MAX_DATA) {
            $exchange->data(\substr($body, Frame::MAX_DATA));
        }
    }

    /**
     * @param list<string>                          $pairs
     * @param list<array{string, string|\Closure}> $trailers
     */
    private static function long(Exchange $exchange, string $method, int $status, array $pairs, mixed &$body,
        array $trailers, int $last): void
    {
        if (\is_string($body) && $trailers === [] && $status !== 204 && $status !== 304
            && !isset(Headers::lists($pairs)['content-length'])) {
            \array_push($pairs, 'Content-Length', (string) \strlen($body));
        }
        if (\is_string($body) && $method === 'HEAD') {
            $pairs = Headers::typed($pairs, \substr($body, 0, Frame::MAX_DATA));
        }
        if (self::bodiless($method, $status)) {
            $exchange->respond($last, $status, $pairs);

            return;
        }
        if (\is_string($body)) {
            $wanted = self::string($exchange, $status, $pairs, $body);
        } else {
            $wanted = \is_resource($body) ? self::resource($exchange, $status, $pairs, $body)
                : self::chunks($exchange, $status, $pairs, $body);
            Session::write();
        }
        $body = null;
        if (!$wanted) {
            return;
        }
        if (!$exchange->answered && $trailers === []) {
            $exchange->respond($last, $status, $pairs);

            return;
        }
        if (!$exchange->answered) {
            $exchange->respond(0, $status, $pairs);
        }
        $exchange->data('', $last, $trailers === [] ? null : self::trailers($trailers));
    }

    /**
     * One chunk, with the head if it is the first; false once nobody wants it any more.
     *
     * @param list<string>     $pairs
     * @param list<mixed>|null $hold  what makes a connection of the response
     */
    private static function chunk(Exchange $exchange, int $status, array $pairs, string $chunk,
        ?array $hold = null): bool
    {
        if (!$exchange->wanted()) {
            return false;
        }
        if (!$exchange->answered) {
            if (\strlen($chunk) <= Frame::MAX_DATA) {
                $exchange->respond(0, $status, $pairs, $chunk, null, $hold);

                return true;
            }
            $exchange->respond(0, $status, $pairs, \substr($chunk, 0, Frame::MAX_DATA), null, $hold);
            $chunk = \substr($chunk, Frame::MAX_DATA);
        }

        return $exchange->data($chunk);
    }

    /** @param list<string> $pairs */
    private static function string(Exchange $exchange, int $status, array $pairs, string $body): bool
    {
        for ($at = 0, $size = \strlen($body); $at < $size; $at += Frame::MAX_DATA) {
            if (!self::chunk($exchange, $status, $pairs, \substr($body, $at, Frame::MAX_DATA))) {
                return false;
            }
        }

        return true;
    }

    /**
     * @param list<string> $pairs
     * @param resource     $body
     */
    private static function resource(Exchange $exchange, int $status, array $pairs, $body): bool
    {
        try {
            while (!\feof($body)) {
                $bytes = \fread($body, Frame::MAX_DATA);
                if ($bytes === false) {
                    throw new \RuntimeException(
                        'the stream that is the body of the response can not be read any further');
                }
                if (!self::chunk($exchange, $status, $pairs, $bytes)) {
                    return false;
                }
            }
        } finally {
            \fclose($body);
        }

        return true;
    }

    /** @param list<string> $pairs */
    private static function chunks(Exchange $exchange, int $status, array $pairs, mixed &$body): bool
    {
        if ($body instanceof \Closure) {
            $body = $body(static function (string $chunk) use ($exchange, $status, $pairs): void {
                if (!self::chunk($exchange, $status, $pairs, $chunk)) {
                    throw new RequestCancelled($exchange->reason);
                }
            });
            if (\is_resource($body)) {
                return self::resource($exchange, $status, $pairs, $body);
            }
        }
        if ($body === null) {
            return true;
        }
        if (!\is_iterable($body)) {
            throw new \TypeError('The function given to Response::stream() returned ' . \get_debug_type($body)
                . '; it may return an iterable, a readable stream or nothing');
        }
        foreach ($body as $chunk) {
            if (!\is_string($chunk)) {
                throw new \TypeError("The chunks of a response's body are strings; this one is "
                    . \get_debug_type($chunk));
            }
            if (!self::chunk($exchange, $status, $pairs, $chunk)) {
                return false;
            }
        }

        return true;
    }

    /**
     * @param list<array{string, string|\Closure}> $trailers
     *
     * @return list<string>
     */
    private static function trailers(array $trailers): array
    {
        $pairs = [];
        foreach ($trailers as [$name, $value]) {
            $value = $value instanceof \Closure ? (string) $value() : $value;
            Headers::check($name, $value);
            \array_push($pairs, $name, $value);
        }

        return $pairs;
    }
}
