<?php

// A chat for GatewayWorker, as its users write one: `host serve examples/workerman-chat/start.php`, then open
// http://127.0.0.1:8080/. Nothing has to be installed.

use GatewayWorker\BusinessWorker;
use GatewayWorker\Gateway;
use GatewayWorker\Register;
use Workerman\Connection\TcpConnection;
use Workerman\Protocols\Http\Request;
use Workerman\Worker;

$pages = getenv('CHAT_PAGES') ?: '127.0.0.1:8080';
$sockets = getenv('CHAT_SOCKETS') ?: '127.0.0.1:8081';

new Register('text://127.0.0.1:1236'); // of no use here, and in the way of nobody

$gateway = new Gateway("websocket://$sockets");
$gateway->registerAddress = '127.0.0.1:1236';

$business = new BusinessWorker();
$business->name = 'chat';
$business->count = 2;
$business->registerAddress = '127.0.0.1:1236';

$web = new Worker("http://$pages");
$web->name = 'web';
$web->count = 2;
$web->onMessage = function (TcpConnection $connection, Request $request) use ($sockets): void {
    $port = substr($sockets, strrpos($sockets, ':') + 1);
    $connection->send(str_replace('PORT', $port, file_get_contents(__DIR__ . '/page.html')));
};

Worker::runAll();
