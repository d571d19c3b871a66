<?php

// What Workerman's manual shows, in versions of our own: one Worker for each of its examples. The addresses come from
// the test.

use Workerman\Connection\TcpConnection;
use Workerman\Connection\UdpConnection;
use Workerman\Worker;

require __DIR__ . '/protocols.php';

// Each address is given to one Worker.
$at = fn (string $name): string => getenv('WM_' . strtoupper($name));

// Bytes, datagrams

$bytes = new Worker('tcp://' . $at('bytes'));
$bytes->name = 'bytes';
$bytes->onMessage = fn (TcpConnection $connection, $data) => $connection->send(strrev($data));

$datagrams = new Worker('udp://' . $at('datagrams'));
$datagrams->name = 'datagrams';
$datagrams->onMessage = fn (UdpConnection $connection, $data) => $connection->send("$data from "
    . $connection->getRemoteIp());

$lines = new Worker('text://' . $at('lines'));
$lines->name = 'datagrams-of-lines';
$lines->transport = 'udp';
$lines->onMessage = fn (UdpConnection $connection, $data) => $connection->send("got $data");

$local = new Worker('unix://' . $at('local'));
$local->name = 'local';
$local->onMessage = fn (TcpConnection $connection, $data) => $connection->send("local $data");

// Protocols of its own: by the scheme, by the property, and one of Workerman's over tcp
$words = new Worker('Words://' . $at('words'));
$words->name = 'words';
$words->onMessage = fn (TcpConnection $connection, array $words) => $connection->send(array_reverse($words));

$json = new Worker('JsonFrame://' . $at('json'));
$json->name = 'json';
$json->onMessage = fn (TcpConnection $connection, array $data) => $connection->send(['sum' => array_sum($data)]);

$xml = new Worker('XmlFrame://' . $at('xml'));
$xml->name = 'xml';
$xml->onMessage = fn (TcpConnection $connection, SimpleXMLElement $data)
    => $connection->send("<said>$data->say</said>");

$upload = new Worker('tcp://' . $at('upload'));
$upload->name = 'upload';
$upload->protocol = 'Protocols\NamedFile';
$upload->onMessage = fn (TcpConnection $connection, array $file)
    => $connection->send("$file[name] " . md5($file['data']));

$web = new Worker('tcp://' . $at('web'));
$web->name = 'web';
$web->protocol = 'Workerman\Protocols\Http';
$web->onMessage = fn (TcpConnection $connection, $request) => $connection->send('web ' . $request->get('a'));

// Callbacks of each kind
function shout(TcpConnection $connection, string $data): void
{
    $connection->send(strtoupper($data));
}
$named = new Worker('text://' . $at('named'));
$named->name = 'named';
$named->onMessage = 'shout';

class Desk
{
    private int $asked = 0;

    public function onConnect(TcpConnection $connection): void
    {
        $connection->since = 'connect';
    }

    public function onMessage(TcpConnection $connection, string $data): void
    {
        $connection->send(++$this->asked . " $connection->since $data");
    }

    public static function answer(TcpConnection $connection, string $data): void
    {
        $connection->send("static $data");
    }

    public function onWorkerStop(Worker $worker): void
    {
        echo "the desk of $worker->name closes";
    }
}
$object = new Worker('text://' . $at('object'));
$object->name = 'object';
$object->onWorkerStart = function (Worker $worker) {
    $desk = new Desk(); // in the process: what it opens is of nobody else
    foreach (['onConnect', 'onMessage', 'onWorkerStop'] as $callback) {
        $worker->$callback = [$desk, $callback];
    }
};

$static = new Worker('text://' . $at('static'));
$static->name = 'static';
$static->onMessage = ['Desk', 'answer'];

Worker::runAll();
