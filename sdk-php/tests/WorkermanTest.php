<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** A program that was written for Workerman: how it boots, and what it says of what there is not. */
final class WorkermanTest extends TestCase
{
    private const PHP = [...FakeHost::PHP, '-d', 'auto_prepend_file=' . __DIR__ . '/../workerman.php'];
    private const USES = 'use Workerman\{Timer}; use Workerman\Connection\TcpConnection; ';

    public function testAProgramAnswers(): void
    {
        $host = FakeHost::serving(self::USES . <<<'PHP'
            $w = new Workerman\Worker('http://127.0.0.1:8080');
            $w->onWorkerStart = function ($w) { echo "started $w->id"; };
            $w->onWorkerStop = function () { echo 'stopped'; };
            $w->onMessage = fn (TcpConnection $c, $r) => $c->send('to ' . $r->path() . ' from ' . $c->getRemoteIp());
            Workerman\Worker::runAll();
            PHP, php: self::PHP);
        self::assertStringContainsString("Workerman's classes", $host->ready[4]);
        $answer = $host->get('GET', '/p');
        self::assertSame(200, $answer->status);
        self::assertStringStartsWith('to /p from ', $answer->body);
        $host->send([Frame::DRAIN, 0]);
        self::assertSame(0, $host->end());
        self::assertSame('started 0stopped', $host->log());
    }

    public function testAFailedBootIsTold(): void
    {
        $start = "\$w = new Workerman\Worker('websocket://127.0.0.1:1');";
        foreach ([
            'echo "no Worker";' => 'before it called Worker::runAll()',
            "$start \$w->onWorkerStart = fn () => throw new \Exception('in the start'); Workerman\Worker::runAll();" => 'in the start',
            "$start \$w->onWorkerStart = 'nowhere'; Workerman\Worker::runAll();" => 'can\'t be called',
            "$start \$w->onWorkerStart = fn () => new Workerman\Connection\AsyncTcpConnection('tcp://x:1'); Workerman\Worker::runAll();"
                => 'no event loop for sockets of their own',
            "$start \$w->onWorkerStart = fn () => \$w->listen(); Workerman\Worker::runAll();" => 'before Worker::runAll()',
            "$start \$w->onWorkerStart = fn () => new Workerman\Worker(); Workerman\Worker::runAll();" => 'after Worker::runAll()',
            "$start Workerman\Worker::getEventLoop();" => 'use Timer::add() for time',
            "$start Workerman\Worker::stopAll();" => 'for a process that is ready',
            "$start Workerman\Worker::forkWorkers();" => 'Worker::forkWorkers() is not there',
            "$start \$w->onWorkerStart = fn () => \$w->pauseAccept(); Workerman\Worker::runAll();" => 'pauseAccept() is not there',
            "$start \$w->onWebSocketPing = fn () => null; Workerman\Worker::runAll();" => 'answers pings itself',
            "new Workerman\Worker('nothing://127.0.0.1:1'); Workerman\Worker::runAll();" => 'no class Protocols\Nothing',
            "new GatewayWorker\Gateway('websocket://127.0.0.1:1'); Workerman\Worker::runAll();" => 'has no BusinessWorker',
            "new GatewayWorker\Gateway('frame://127.0.0.1:1'); Workerman\Worker::runAll();" => 'speaks websocket, text or tcp',
            "new GatewayWorker\BusinessWorker(); Workerman\Worker::runAll();" => 'no class Events',
        ] as $code => $why) {
            $host = new FakeHost($code, php: self::PHP);
            $host->hello();
            [$type, , $message] = $host->next();
            self::assertSame(Frame::FAILED, $type, $code);
            self::assertStringContainsString($why, $message);
        }
    }

    private static function serving(string $code, bool $dev = false, string $at = 'websocket://127.0.0.1:8080'): FakeHost
    {
        return FakeHost::serving("\$w = new Workerman\Worker('$at'); \$w->onMessage = fn () => null; $code; "
            . 'Workerman\Worker::runAll();', php: self::PHP, dev: $dev);
    }

    public function testStopAllEndsTheProcessWhenTheEventIsDone(): void
    {
        $host = self::serving('$w->onMessage = function ($c) { Workerman\Worker::stopAll(); $c->send("last"); }; '
            . '$w->onWorkerStop = fn () => print("stopped")');
        self::assertSame('last', $host->deliver('x')[0][5]);
        self::assertSame(1, $host->begun);
        self::assertSame(0, $host->end());
        self::assertStringContainsString('stopped', $host->log());
    }

    public function testTheArgumentsAreThoseOfStart(): void
    {
        $tell = '$w->onWorkerStop = fn () => print(json_encode([array_slice($_SERVER["argv"], 1), $GLOBALS["argc"]]))';
        foreach (['[["start","-d"],3]' => false, '[["start"],2]' => true] as $told => $dev) {
            $host = self::serving($tell, $dev);
            $host->end();
            self::assertSame($told, $host->log());
        }
    }

    public function testWhatIsSetInVainIsToldOf(): void
    {
        $host = self::serving('$w->onWorkerStart = fn ($w) => $w->onWorkerReload = fn () => null');
        self::assertStringContainsString('onWorkerReload is never called', json_encode($host->logs));
        $host = self::serving('$w->eventLoop = "Workerman\Events\Fiber"');
        self::assertStringContainsString('eventLoop is of no effect', json_encode($host->logs));
        $host = self::serving('$w->onMessage = fn ($c) => $c->protocol = "Workerman\Protocols\Text"');
        self::assertSame(Frame::RESET, $host->deliver('x')[0][0]);
        self::assertStringContainsString('set $worker->protocol', json_encode($host->logs));
    }

    public function testATransportOfUdpIsHeard(): void
    {
        $host = self::serving('$w->transport = "udp"; $w->onMessage = fn ($c, $m) => $c->send(strtoupper($m))', at:
            'text://127.0.0.1:1');
        $said = $host->deliver("ab\n", ['', 'udp', '192.0.2.1:50000', '', [], [], '127.0.0.1:1'], true);
        self::assertSame("AB\n", $said[0][5]);
    }

    /** What is lost otherwise is the beginning of the next message, which is then read from its middle. */
    public function testAHandlerThatThrowsClosesAConnectionOfTheProgramsOwnProtocol(): void
    {
        $host = self::serving('$w->onMessage = fn ($c, $m) => $m === "bad" ? throw new Exception("of it") : $c->send($m)',
            at: 'frame://127.0.0.1:1');
        $frame = static fn (string $text): string => pack('N', strlen($text) + 4) . $text;
        $said = $host->deliver($frame('good') . $frame('bad') . "\0\0", ['c1', 'tcp', '192.0.2.1:50000', '', [], [],
            '127.0.0.1:1'], true);
        self::assertSame([Frame::SEND, $frame('good')], [$said[0][0], $said[0][5]]);
        self::assertSame(Frame::HANGUP, $said[1][0]);
        self::assertStringContainsString('of it in', json_encode($host->logs));
    }

    public function testTheBufferOfAConnectionIsToldOf(): void
    {
        $host = self::serving('$w->onBufferFull = fn ($c) => print("full "); $w->onBufferDrain = fn ($c) => print("drained")');
        foreach ([true, false] as $full) {
            $host->done($host->event(Frame::BUFFER, [['c1', 'websocket', '192.0.2.1:50000'], 1, $full, 9]));
        }
        self::assertSame('full drained', implode('', $host->printed));
    }

    public function testAConnectionSaysWhatItIs(): void
    {
        $host = self::serving('$w->onMessage = function ($c, $m) use ($w) { $c->websocketType = "\x82"; $c->send(json_encode(['
            . '$c->id, $c->getRemoteIp(), $c->getRemotePort(), $c->getRemoteAddress(), $c->getLocalAddress(), '
            . '$c->getLocalIp(), $c->getLocalPort(), $c->isIpV4(), $c->isIpV6(), $c->getStatus(), $c->getStatus(false), '
            . '$c->worker === $w, $c->transport])); $c->websocketType = "\x81"; $c->close("bye"); '
            . 'print(json_encode([$c->getStatus(false), $c->send("late")])); }');
        $said = $host->deliver('x', ['c1', 'websocket', '[2001:db8::1]:50000', '', [], [], '127.0.0.1:8080']);
        self::assertSame([Frame::SEND, 4], [$said[0][0], $said[0][2]]); // bytes
        self::assertSame(['c1', '2001:db8::1', 50000, '[2001:db8::1]:50000', '127.0.0.1:8080', '127.0.0.1', 8080, false, true,
            2, 'ESTABLISHED', true, 'tcp'], json_decode($said[0][5], true));
        self::assertSame([Frame::SEND, 0, 'bye'], [$said[1][0], $said[1][2], $said[1][5]]); // text
        self::assertSame(Frame::HANGUP, $said[2][0]);
        self::assertSame('["CLOSING",false]', implode('', $host->printed));
    }

    public function testWhatIsNotThereSaysWhatToUse(): void
    {
        $host = self::serving('$w->onMessage = fn ($c, $m) => $m === "udp" ? new Workerman\Connection\AsyncUdpConnection("x") : '
            . '($m === "ws" ? new Workerman\Protocols\Ws() : $c->$m($c))');
        foreach (['pauseRecv' => 'a handler that waits holds it back', 'resumeRecv' => 'neither is pauseRecv()',
            'pipe' => 'send() what comes in onMessage', 'getSocket' => 'the socket is the host', 'udp' => 'stream_socket_client',
            'ws' => 'a WebSocket client that may wait'] as $call => $instead) {
            $said = $host->deliver($call);
            self::assertStringContainsString($instead, $said[0][3], $call);
        }
    }

    /** The page of the host's documentation that lists them, and the class, have the same. */
    public function testEachMethodOfGatewayIsListed(): void
    {
        if (!is_file($page = __DIR__ . '/../../host/docs/workerman.md')) {
            self::markTestSkipped('the SDK is here without the host');
        }
        require_once __DIR__ . '/../src/Compat/GatewayWorker/Lib/Gateway.php';
        preg_match('~^## Lib\\\\Gateway$(.*?)^Timers~ms', (string) file_get_contents($page), $found);
        $rows = preg_grep('~^\\| (?!an error)\\w~', explode("\n", $found[1]));
        preg_match_all('~`([a-z]\\w+)`~', implode("\n", $rows), $listed);
        $there = array_column((new \ReflectionClass(\GatewayWorker\Lib\Gateway::class))
            ->getMethods(\ReflectionMethod::IS_PUBLIC), 'name');
        self::assertEqualsCanonicalizing(array_diff($there, ['enter', 'leave', '__callStatic']), $listed[1]);
    }

    public function testTheClassesAreThereForSuchProgramsAlone(): void
    {
        self::assertFalse(\class_exists('Workerman\Worker'));
        self::assertFalse(\class_exists('GatewayWorker\Gateway'));
    }
}
