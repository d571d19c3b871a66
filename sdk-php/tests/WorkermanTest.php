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

    public function testTheClassesAreThereForSuchProgramsAlone(): void
    {
        self::assertFalse(\class_exists('Workerman\Worker'));
        self::assertFalse(\class_exists('GatewayWorker\Gateway'));
    }
}
