<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Protocols\Http\Request;
use Workerman\Protocols\Http\Session;
use Workerman\Worker;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Loop;
use WorkerHost\RequestCancelled;

/** @internal Requests of HTTP, each answered by what onMessage sends, or a timer that it leaves. */
final class Answers
{
    public function __construct(
        private readonly Worker $worker,
        private readonly Loop $loop,
        private readonly Streams $streams,
    ) {
    }

    public function __invoke(\WorkerHost\Http\Request $from): Response
    {
        $connection = new HttpConnection($this->worker, $from, $this->streams);
        try {
            $answer = $this->answer($connection, $from);
        } catch (\Throwable $e) {
            $connection->gone();
            throw $e;
        }
        if (!$connection->isHeld()) {
            $connection->gone();
        }

        return $answer;
    }

    private function answer(HttpConnection $connection, \WorkerHost\Http\Request $from): Response
    {
        $request = Request::of($from, $connection);
        Dispatch::call($this->worker->onConnect, $connection);
        Dispatch::call($connection->onMessage ?? $this->worker->onMessage, $connection, $request);
        while (!$connection->isAnswered() && $this->loop->idle());
        $session = $request->context['session'] ?? null;
        if ($session instanceof Session) {
            $session->save();
        }
        unset($request->context['session']);
        if (!($connection->isAnswered() && $connection->hasSent()) && $from->isCancelled()) {
            throw new RequestCancelled('the client has left');
        }

        return $connection->take() ?? throw new \Error('onMessage has returned without an answer to '
            . "$from->method $from->path, and no timer is left that could send one");
    }
}
