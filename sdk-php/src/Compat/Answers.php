<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use Workerman\Protocols\Http\Request;
use Workerman\Worker;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Loop;

/** @internal Requests of HTTP, each answered by what onMessage sends, or a timer that it leaves. */
final class Answers
{
    public function __construct(private readonly Worker $worker, private readonly Loop $loop)
    {
    }

    public function __invoke(\WorkerHost\Http\Request $from): Response
    {
        $connection = new HttpConnection($this->worker, $from);
        $request = Request::of($from, $connection);
        Dispatch::call($this->worker->onConnect, $connection);
        Dispatch::call($connection->onMessage ?? $this->worker->onMessage, $connection, $request);
        while (!$connection->isAnswered() && $this->loop->idle());
        $answer = $connection->take() ?? throw new \Error('onMessage has returned without an answer to '
            . "$from->method $from->path, and no timer is left that could send one");
        ($request->context['session'] ?? null)?->save();
        unset($request->context['session']);
        Dispatch::call($connection->onClose ?? $this->worker->onClose, $connection);

        return $answer;
    }
}
