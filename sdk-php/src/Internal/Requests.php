<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use Psr\Http\Message\ResponseInterface;
use WorkerHost\Bridge\Psr7;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Log;
use WorkerHost\RequestCancelled;

/** @internal HTTP requests, from the frame to its DONE (SPEC.md §5). */
final class Requests
{
    /** The request at hand. */
    public ?Request $request = null;
    private ?Exchange $exchange = null;
    /** What the handler at hand prints, if that is the body. */
    private ?Capture $printed = null;
    /** @var callable(Request): mixed */
    private $handler;

    /**
     * @param (callable(Request): mixed)|null $handler
     * @param bool                            $capture  whether what the handler echoes is the body
     * @param int                             $window   of what is sent on a stream
     * @param bool                            $dev      whether error pages may show traces
     * @param \Closure(): void                $returned what runs whenever user code has returned or thrown
     * @param \Closure(): void                $flush    sends what was left in output buffers to the log
     */
    public function __construct(
        private readonly Channel $link,
        private readonly Acts $acts,
        ?callable $handler,
        private readonly bool $capture,
        private readonly int $window,
        private readonly bool $dev,
        private readonly \Closure $returned,
        private readonly \Closure $flush,
    ) {
        $this->handler = $handler ?? static fn (): Response =>
            Response::text("This worker handles connections; it answers no requests.\n", 404);
    }

    /**
     * Runs the handler, sends what it returns, or that it failed, and says DONE.
     * @param list<mixed> $message REQUEST
     */
    public function answer(array $message, ?Superglobals $globals): void
    {
        $stream = $message[1];
        $this->acts->open($stream);
        $exchange = new Exchange($this->link, $stream, ($message[2] & Frame::FLAG_END) !== 0, $message[10],
            $this->window, $this->acts);
        $this->exchange = $exchange;
        $this->request = $request = new Request($message, $exchange);
        try {
            $globals?->fill($request);
            if ($this->capture) {
                $response = $this->captured($request, $exchange);
            } else {
                $response = ($this->handler)($request);
                ($this->returned)();
            }
            if (!$response instanceof Response) {
                $response = self::response($response);
            }
            if (!$this->capture) {
                ($this->flush)(); // before DONE, so that the host knows whose it is
            }
            Sender::send($response, $exchange, $request->method);
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $response = null;
            $this->acts->forget(); // a handler that throws has done nothing
            try {
                ($this->returned)();
            } catch (\LogicException $spoiled) { // the code has waited with a buffer open, which is why
                $e = $spoiled;
            }
            ($this->flush)();
            $this->recover($e, $exchange, $request);
        }
        $exchange->body = null; // the two refer to each other; without this only the cycle collector would free them
        $this->exchange = $this->request = null;
    }

    private static function response(mixed $result): Response
    {
        return match (true) {
            \is_string($result) => Response::html($result),
            \is_array($result) => Response::json($result),
            $result === null => new Response(204),
            $result instanceof ResponseInterface => Psr7::response($result),
            default => throw new \TypeError('The handler returned ' . \get_debug_type($result)
                . '; it may return a WorkerHost\Http\Response, a string (HTML), an array (JSON), a PSR-7 response or '
                    . 'null (204 No Content)'),
        };
    }

    /** Runs the handler with what it prints kept for the body, which is sent once it flushes, or has printed much. */
    private function captured(Request $request, Exchange $exchange): mixed
    {
        $capture = $this->printed = new Capture(static function (string $bytes) use ($request, $exchange): void {
            Sender::part(Head::commit(), $bytes, $exchange, $request->method);
        }, Frame::WINDOW_SIZE, static function (string $rest) use ($request, $exchange): void {
            $response = Head::end($rest, $exchange->answered);
            Sender::respond($response, $exchange, $request->method, false);
        });
        Head::start($request);
        try {
            $result = Printed::into($capture, fn (): mixed => ($this->handler)($request));
            // A page that was included returns 1, which is no response.
            if ($result === null || \is_scalar($result) && !\is_string($result)) {
                return Head::end($capture->rest(), $exchange->answered);
            }
            if (Head::isSent()) {
                throw new \LogicException('the handler has returned ' . \get_debug_type($result)
                    . ' after its output was sent, which is the response');
            }

            return Head::join($result instanceof Response ? $result : self::response($result), $capture->rest());
        } finally {
            Head::forget();
            $this->printed = null;
        }
    }

    /**
     * Sends part of the response at hand before its handler has returned, and the head with the first; what that
     * returns goes on with it.
     *
     * @throws RequestCancelled once nobody wants it
     */
    public function part(Response $head, string $bytes): void
    {
        Sender::part($head, $bytes, $this->exchange, $this->request->method);
    }

    /** Whether the response at hand has been sent to its end. */
    public function hasAnswered(): bool
    {
        return $this->exchange?->ended === true;
    }

    /** Whether code is at hand whose response is what it prints. */
    public function prints(): bool
    {
        return $this->printed !== null;
    }

    /** That code has called exit(), which is one of its ways to end. */
    public function exited(): void
    {
        [$exchange, $request, $capture] = [$this->exchange, $this->request, $this->printed];
        $this->exchange = $this->request = $this->printed = null;
        $response = Head::end($capture->rest(), $exchange->answered);
        try {
            Sender::send($response, $exchange, $request->method);
        } catch (LinkError) {
            // The host knows, or is gone.
        }
    }

    private function recover(\Throwable $e, Exchange $exchange, Request $request): void
    {
        if ($e instanceof RequestCancelled && !$exchange->wanted()) {
            Log::debug("stopped: {$exchange->reason}", ['method' => $request->method, 'target' => $request->target]);
        } else {
            Failure::log($e, $request);
            if (!$exchange->answered && !$exchange->cancelled) {
                $page = Failure::page($this->dev, Failure::summary($e), (string) $e, $request);
                Sender::send($page, $exchange, $request->method);

                return;
            }
            $exchange->abort(Failure::summary($e));
        }
        unset($e); // its trace may hold what has to be gone before DONE
        Sender::finish($exchange);
    }

    /** The code was cut off by exit() or a fatal error: nobody should try the request again. */
    public function cutOff(string $what): void
    {
        [$exchange, $request] = [$this->exchange, $this->request];
        $this->exchange = $this->request = null;
        $exchange->after = [];
        $this->acts->forget();
        if (!$exchange->answered && !$exchange->cancelled) {
            $page = Failure::page($this->dev, $what, '', $request);
            Sender::send($page, $exchange, $request->method);
        } else {
            $exchange->abort($what);
            $exchange->finish();
        }
    }

    /** The link has failed: there is nobody to answer. */
    public function abandon(): void
    {
        $this->exchange = $this->request = null;
    }
}
