<?php

// What Workerman's manual shows, in versions of our own: one Worker for each of its examples. The addresses come from
// the test.

use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Http\Request;
use Workerman\Protocols\Http\Response;
use Workerman\Protocols\Websocket;
use Workerman\Timer;
use Workerman\Worker;

// Each address is given to one Worker.
$at = fn (string $name): string => getenv('WM_' . strtoupper($name));

// A page, a socket
$page = new Worker('http://' . $at('page'));
$page->name = 'page';
$page->count = 2;
$page->onMessage = function (TcpConnection $connection, Request $request) {
    $file = __DIR__ . '/protocols.php';
    $connection->send(match ($request->path()) {
        '/' => 'hello page',
        '/missing' => new Response(404, [], '<h1>no such page</h1>'),
        '/moved' => new Response(302, ['Location' => '/']),
        '/unchanged' => $request->header('if-modified-since') ? new Response(304) : (new Response())->withFile($file),
        default => (new Response())->withStatus(400)->header('X-Why', 'default'),
    });
};

$socket = new Worker('websocket://' . $at('socket'));
$socket->name = 'socket';
$socket->onMessage = fn (TcpConnection $connection, $data) => $connection->send("hello $data");

// TLS
$context = ['ssl' => ['local_cert' => getenv('WM_CERTIFICATE'), 'local_pk' => getenv('WM_KEY'),
    'verify_peer' => false]];
$safe = new Worker('websocket://' . $at('safe'), $context);
$safe->name = 'safe';
$safe->transport = 'ssl';
$safe->onMessage = fn (TcpConnection $connection, $data) => $connection->send("safe $data");

// Timers and connections
$heart = new Worker('text://' . $at('heart'));
$heart->name = 'heart';
$heart->onMessage = fn (TcpConnection $connection) => $connection->heard = microtime(true);
$heart->onWorkerStart = fn (Worker $worker) => Timer::add(0.1, function () use ($worker) {
    foreach ($worker->connections as $connection) {
        $connection->heard ??= microtime(true);
        if (microtime(true) - $connection->heard > 0.3) {
            $connection->close('silent');
        }
    }
});

$login = new Worker('text://' . $at('login'));
$login->name = 'login';
$login->count = 2;
$login->onConnect = function (TcpConnection $connection) {
    $connection->timer = Timer::add(3, fn () => $connection->close('too late'), null, false);
};
$login->onMessage = function (TcpConnection $connection, string $data) {
    if ($data === 'login') {
        Timer::del($connection->timer);
        $connection->send('welcome');
    }
};

$news = new Worker('websocket://' . $at('news'));
$news->name = 'news';
$news->onWorkerStart = fn (Worker $worker) => Timer::add(0.1, function () use ($worker) {
    foreach ($worker->connections as $connection) {
        $connection->send('news');
    }
});

$last = 0;
$chat = new Worker('text://' . $at('chat'));
$chat->name = 'chat';
$chat->onConnect = function (TcpConnection $connection) use (&$last) {
    $connection->uid = ++$last;
};
$chat->onMessage = function (TcpConnection $connection, string $data) {
    foreach ($connection->worker->connections as $one) {
        $one->send("user $connection->uid: $data");
    }
};
$chat->onClose = function (TcpConnection $connection) use ($chat) {
    foreach ($chat->connections as $one) {
        $one->send("user $connection->uid left");
    }
};

// Processes
$each = new Worker();
$each->name = 'each';
$each->count = 2;
$each->onWorkerStart = function (Worker $worker) {
    echo "process $worker->id of each";
    if ($worker->id === 0) {
        $n = 0;
        $id = Timer::add(0.02, function () use (&$id, &$n) {
            if (++$n === 3) {
                Timer::del($id);
                echo "the timer of process 0 has run $n times";
            }
        });
    }
};

$mortal = new Worker('http://' . $at('mortal'));
$mortal->name = 'mortal';
$mortal->onMessage = function (TcpConnection $connection) {
    static $requests = 0;
    $connection->send(getmypid() . ' ' . ++$requests);
    if ($requests === 2) {
        Worker::stopAll();
    }
};

// Bytes through a WebSocket, and what its handshake says
$binary = new Worker('websocket://' . $at('binary'));
$binary->name = 'binary';
$binary->onWebSocketConnect = function (TcpConnection $connection, Request $request) {
    $connection->websocketType = Websocket::BINARY_TYPE_ARRAYBUFFER;
    $connection->headers = ['X-Asked: ' . $request->get('ask')];
};
$binary->onMessage = fn (TcpConnection $connection, $data) => $connection->send(hex2bin(bin2hex($data)));

Worker::runAll();
