<?php

// One Worker of each kind, as Workerman's users write them; the addresses come from the test.

use GatewayWorker\BusinessWorker;
use GatewayWorker\Gateway;
use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Http\Chunk;
use Workerman\Protocols\Http\Request;
use Workerman\Protocols\Http\Response;
use Workerman\Protocols\Http\ServerSentEvents;
use Workerman\Timer;
use Workerman\Worker;

class Length
{
    public static function input($buffer)
    {
        if ($buffer[0] === 'L') { // a long one
            return strlen($buffer) < 8 ? 0 : (int) substr($buffer, 1, 7);
        }

        return strlen($buffer) < 2 ? 0 : (int) substr($buffer, 0, 2);
    }

    public static function decode($buffer)
    {
        return $buffer[0] === 'L' ? strlen($buffer) : substr($buffer, 2);
    }

    public static function encode($data)
    {
        return sprintf('%02d', strlen($data) + 2) . $data;
    }
}

class Events
{
    public static function onWorkerStart($business)
    {
        echo "events begin in $business->name";
    }

    public static function onConnect($client)
    {
        GatewayWorker\Lib\Gateway::sendToCurrentClient("id $client");
    }

    public static function onWebSocketConnect($client, $data)
    {
        $_SESSION['query'] = $data['get']['q'] ?? 'none';
        $_SESSION['cookie'] = $data['cookie']['c'] ?? 'none';
    }

    public static function onClose($client)
    {
        echo "events of one are over: $_SESSION[query]";
    }

    public static function onWorkerStop($business)
    {
        echo "events end in $business->name";
    }

    public static function onMessage($client, $message)
    {
        if ($message === 'who') {
            $_SESSION['asked'] = ($_SESSION['asked'] ?? 0) + 1;
            GatewayWorker\Lib\Gateway::sendToCurrentClient(json_encode([$_SESSION, $_SERVER['REMOTE_ADDR'],
                $_SERVER['GATEWAY_CLIENT_ID'] === $client, GatewayWorker\Lib\Context::$client_id === $client]));
            return;
        }
        if ($message === 'mine') { // what the event has set already
            $_SESSION['mine'] = 1;
            $all = GatewayWorker\Lib\Gateway::getAllClientSessions();
            GatewayWorker\Lib\Gateway::sendToCurrentClient(json_encode($all[$client]['mine'] ?? null));
            unset($_SESSION['mine']);
            return;
        }
        [$method, $arguments] = json_decode($message, true);
        $result = GatewayWorker\Lib\Gateway::$method(...$arguments);
        GatewayWorker\Lib\Gateway::sendToClient($client, json_encode([$method, $result]));
    }
}

TcpConnection::$defaultMaxPackageSize = 3 << 20;

$web = new Worker('http://' . getenv('WM_HTTP'));
$web->name = 'web';
$web->onMessage = function (TcpConnection $connection, Request $request) {
    switch ($request->path()) {
        case '/get':
            return $connection->send(json_encode([$request->get('a'), $request->method(), $request->queryString(),
                $request->header('x-test'), $request->cookie('c'), $request->host(true)]));
        case '/post':
            return $connection->send(json_encode([$request->post(), $request->rawBody(),
                $request->file('f')['name'] ?? null]));
        case '/late':
            Timer::add(0.01, fn () => $connection->send('late'), [], false);
            return;
        case '/never':
            return;
        case '/session':
            $session = $request->session();
            $session->set('n', $session->get('n', 0) + 1);
            return $connection->send((string) $session->get('n'));
        case '/response':
            return $connection->send((new Response(201, ['X-A' => 'b'], 'made'))->cookie('k', 'v')
                ->withHeader('Content-Type', 'text/plain'));
        case '/file':
            return $connection->send((new Response())->withFile(__DIR__ . '/file.txt'));
        case '/part':
            return $connection->send((new Response())->withFile(__DIR__ . '/file.txt', 2, 3));
        case '/close':
            return $connection->close('bye');
        case '/pid':
            return $connection->send((string) getmypid());
        case '/chunks':
            $connection->send(new Response(200, ['Transfer-Encoding' => 'chunked'], 'begun'));
            $n = 0;
            $timer = Timer::add(0.3, function () use ($connection, &$timer, &$n) {
                $connection->send(new Chunk(++$n < 4 ? " $n" : ''));
                if ($n === 4) {
                    Timer::del($timer);
                }
            });
            return;
        case '/events':
            $connection->send(new Response(200, ['Content-Type' => 'text/event-stream'], "\r\n"));
            $timer = Timer::add(0.05, function () use ($connection, &$timer) {
                if ($connection->getStatus() !== TcpConnection::STATUS_ESTABLISHED) {
                    Timer::del($timer);
                    echo 'the listener has left';
                    return;
                }
                $connection->send(new ServerSentEvents(['event' => 'tick', 'data' => 'now']));
            });
            return;
        case '/async':
            new Workerman\Connection\AsyncTcpConnection('tcp://127.0.0.1:1');
    }
    $connection->send(new Response(404));
};

$sockets = new Worker('websocket://' . getenv('WM_WEBSOCKET'));
$sockets->name = 'sockets';
$sockets->count = 2;
$sockets->onConnect = function ($connection) {
    $connection->count = 0;
    $connection->context->deep = ['a' => 1];
};
$sockets->onWebSocketConnect = function ($connection, $request) {
    $connection->name = $request->get('name');
};
$sockets->onMessage = function ($connection, $message) use ($sockets) {
    if ($message === 'object') {
        $connection->object = new DateTime();
    } elseif ($message === 'all') {
        foreach ($sockets->connections as $other) {
            $other->send("all from $connection->name");
        }
    } elseif ($message === 'mark') {
        foreach ($sockets->connections as $other) {
            $other->marked = "by $connection->name";
        }
        $connection->send('marked');
    } elseif ($message === 'close') {
        $connection->close('closing');
    } elseif ($message === 'closure') {
        $connection->onMessage = fn () => null;
    } else {
        $connection->send(json_encode([$message, ++$connection->count, $connection->name, $connection->context->deep,
            $connection->marked ?? null]));
    }
};
$sockets->onClose = function ($connection) {
    echo "closed: $connection->name";
};

$text = new Worker('text://' . getenv('WM_TEXT'));
$text->onMessage = fn ($connection, $message) => $connection->send($message === 'count' ? count($text->connections)
    : strtoupper($message));
$tcp = new Worker('tcp://' . getenv('WM_TCP'));
$tcp->onMessage = fn ($connection, $message) => $connection->send($message);
$frame = new Worker('frame://' . getenv('WM_FRAME'));
$frame->onMessage = fn ($connection, $message) => $connection->send("f$message");
$own = new Worker('tcp://' . getenv('WM_OWN'));
$own->protocol = Length::class;
$own->onMessage = fn ($connection, $message) => $connection->send("o$message");
$udp = new Worker('udp://' . getenv('WM_UDP'));
$udp->onMessage = fn ($connection, $message) => $connection->send("u$message");

$gateway = new Gateway('websocket://' . getenv('WM_GATEWAY'));
$business = new BusinessWorker();
$business->name = 'business';

$clock = new Worker();
$clock->name = 'clock';
$clock->onWorkerStart = fn () => Timer::add(0.05, fn () => print('the clock has struck'), [], false);

Worker::runAll();
