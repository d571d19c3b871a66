<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Responses that a program for Workerman sends in pieces. */
final class WorkermanStreamsTest extends TestCase
{
    private const LAST = Frame::FLAG_END | Frame::FLAG_DONE;

    private static function program(string $onMessage): FakeHost
    {
        return FakeHost::serving(<<<PHP
            use Workerman\Worker as W;
            use Workerman\Timer;
            use Workerman\Connection\TcpConnection;
            use Workerman\Protocols\Http\{Chunk, ServerSentEvents};
            use Workerman\Protocols\Http\Response as A;
            \$w = new W('http://127.0.0.1:8080');
            \$w->onMessage = function (TcpConnection \$c, \$r) { $onMessage };
            \$w->onClose = fn () => print('[closed]');
            \$w->onWorkerStop = fn () => print('[stopped]');
            W::runAll();
            PHP, php: [...FakeHost::PHP, '-d', 'auto_prepend_file=' . __DIR__ . '/../workerman.php']);
    }

    public function testChunksAreSentAsTheyCome(): void
    {
        $host = self::program('$c->send(new A(200, ["Transfer-Encoding" => "chunked", "X-A" => "b"], "hello"));'
            . '$c->send(new Chunk("one")); $c->send(new Chunk("two")); $c->send(new Chunk(""));'
            . 'echo var_export($c->send(new Chunk("late")));');
        $host->request();
        self::assertSame([Frame::RESPONSE, 1, 0, 200, ['X-A', 'b', 'Content-Type', 'text/html;charset=utf-8'], 'hello'],
            array_slice($host->next(), 0, 6));
        self::assertSame([Frame::DATA, 1, 0, 'one'], array_slice($host->next(), 0, 4));
        self::assertSame([Frame::DATA, 1, 0, 'two'], array_slice($host->next(), 0, 4));
        self::assertSame([Frame::DATA, 1, self::LAST, ''], array_slice($host->next(), 0, 4));
        self::assertSame('false[closed]', $host->printed[1]);
    }

    public function testATimerGoesOnWithChunks(): void
    {
        $host = self::program('$c->send(new A(200, ["Transfer-Encoding" => "chunked"])); $n = 0;'
            . '$t = Timer::add(0.001, function () use ($c, &$t, &$n) { if (++$n < 3) { $c->send(new Chunk("$n")); return; }'
            . ' Timer::del($t); $c->close(new Chunk("end")); });');
        $host->request();
        self::assertSame([Frame::RESPONSE, 1, 0, 200], array_slice($host->next(), 0, 4));
        foreach (['1', '2', 'end'] as $piece) {
            self::assertSame([Frame::DATA, 1, 0, $piece], array_slice($host->next(), 0, 4));
        }
        self::assertSame([Frame::DATA, 1, self::LAST, ''], array_slice($host->next(), 0, 4));
        self::assertSame('1', $host->get('GET', '/again')->body[0]);
    }

    public function testChunksToNobodyAreTold(): void
    {
        $host = self::program('$c->send(new A(200, ["Transfer-Encoding" => "chunked"]));'
            . '$t = Timer::add(0.001, function () use ($c, &$t) { if (!$c->send(new Chunk("more"))) { Timer::del($t); '
            . 'echo $c->getStatus(false); } });');
        $stream = $host->request();
        self::assertSame(Frame::RESPONSE, $host->next()[0]);
        self::assertSame(Frame::DATA, $host->next()[0]);
        $host->send([Frame::RESET, $stream, 1, '']);
        while ($host->next()[0] !== Frame::DONE);
        self::assertStringContainsString('[closed]', $host->printed[1]);
        self::assertSame('count', $host->next()[2]); // the timer has run by then
        self::assertStringContainsString('CLOSED', $host->printed[0]);
    }

    public function testWhatIsNotEndedBreaksOff(): void
    {
        $host = self::program('$c->send(new A(200, ["Transfer-Encoding" => "chunked"], "half"));');
        $stream = $host->request();
        self::assertSame([Frame::RESPONSE, 0, 'half'], [($said = $host->next())[0], $said[2], $said[5]]);
        $host->send([Frame::RESULT, $host->next()[1], '', 0]); // which it asks in a timer, the last one
        $answer = $host->answer($stream);
        self::assertSame(['', 200], [$answer->body, $answer->reset]);
        self::assertStringContainsString('was not ended', json_encode($host->logs));
    }

    public function testHeadHasNoChunks(): void
    {
        $host = self::program('$c->send(new A(200, ["transfer-encoding" => ["Chunked"]], "x")); $c->close(new Chunk("y"));');
        $answer = $host->get('HEAD');
        self::assertSame(['', true, 200], [$answer->body, $answer->ended, $answer->status]);
    }

    public function testWhatIsNoPieceIsAnError(): void
    {
        $host = self::program('$c->send(new A(200, ["Transfer-Encoding" => "chunked"])); $c->send("whole");');
        $host->get();
        self::assertStringContainsString('it takes a Chunk or ServerSentEvents', json_encode($host->logs));
    }

    private const EVENTS = 'if ($r->path() !== "/") { return $c->send(json_encode([isset($GLOBALS["it"]) ? '
        . '$GLOBALS["it"]->getStatus(false) : "none"])); }'
        . '$GLOBALS["it"] = $c; $c->send(new A(200, ["Content-Type" => "text/event-stream"], "\r\n"));'
        . '$c->send(new ServerSentEvents(["event" => "e", "data" => "a\nb", "id" => 7]));';

    public function testEventsAreHeldAndATimerGoesOnWithThem(): void
    {
        $host = self::program(self::EVENTS . '$c->onClose = fn () => print("[mine closed]"); $n = 0;'
            . 'Timer::add(0.001, fn () => $c->send(new ServerSentEvents(["data" => "later"])), [], false);');
        $host->request('GET', '/', ['Last-Event-ID', '6']);
        $response = $host->next();
        self::assertSame([Frame::RESPONSE, 1, 0, 200], array_slice($response, 0, 4));
        self::assertContains('text/event-stream', $response[4]);
        [$groups, $uid, $session] = $response[7];
        self::assertCount(3, $groups);
        self::assertSame(['', ['wm.process', $host->pid]], [$uid, $session]);
        self::assertSame([Frame::DATA, 1, 0, "event: e\nid: 7\ndata: a\ndata: b\n\n"], array_slice($host->next(), 0, 4));
        self::assertSame([Frame::DONE, 1], array_slice($host->next(), 0, 2));
        self::assertSame([Frame::SEND, 0, 4, 3, [$groups[2]], "data: later\n\n"], array_slice($host->next(), 0, 6));
        // each second it asks whether they are there still: this one, and those of processes that have died
        $calls = [];
        while (count($calls) < 3) {
            $call = $host->next();
            $calls[] = [$call[2], $call[3]];
            $host->send([Frame::RESULT, $call[1], '', $call[2] === 'connections' ? [] : 0]);
        }
        self::assertContains(['count', [$groups[0]]], $calls);
        self::assertContains(['count', [$groups[1]]], $calls);
        self::assertContains(['connections', [$groups[1]]], $calls);
        self::assertSame('["CLOSED"]', $host->get('GET', '/status')->body);
        self::assertStringContainsString('[mine closed]', implode('', $host->printed));
    }

    public function testEventsToNobodyAreNoError(): void
    {
        $host = self::program('Log::info("begun"); usleep(50_000);' . self::EVENTS . 'echo $c->getStatus(false);');
        $stream = $host->request();
        self::assertSame('begun', $host->nextLog()[3]);
        $host->send([Frame::RESET, $stream, 1, '']);
        self::assertSame([Frame::DONE, $stream], array_slice($host->next(), 0, 2));
        self::assertSame('[closed]CLOSED', implode('', $host->printed));
        self::assertSame([], array_filter($host->logs, static fn (array $log): bool => $log[2] === 'error'));
    }

    public function testEventsThatEndAtOnceEnd(): void
    {
        $host = self::program(self::EVENTS . '$c->close();');
        $host->request();
        $groups = $host->next()[7][0];
        self::assertSame(Frame::DATA, $host->next()[0]);
        self::assertSame(Frame::DONE, $host->next()[0]);
        self::assertSame([Frame::HANGUP, 0, 0, 3, [$groups[2]], 1000], array_slice($host->next(), 0, 6));
    }

    public function testEventsEndWithTheirProcess(): void
    {
        $host = self::program(self::EVENTS);
        $host->request();
        $groups = $host->next()[7][0];
        self::assertSame(Frame::DATA, $host->next()[0]);
        self::assertSame(Frame::DONE, $host->next()[0]);
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([Frame::HANGUP, 0, 0, 3, [$groups[1]], 1001], array_slice($host->next(), 0, 6));
        self::assertSame(0, $host->end());
    }

    public function testEventsOfADeadProcessAreEnded(): void
    {
        $host = self::program('$c->send("ok");');
        [, $stream, $method] = $host->next();
        self::assertSame('count', $method);
        $host->send([Frame::RESULT, $stream, '', 2]);
        [, $stream, $method] = $host->next();
        self::assertSame('connections', $method);
        $of = static fn (string $id, int $process): array => [$id, 'sse', '192.0.2.1:50000', '', [], ['wm.process', $process], ''];
        $host->send([Frame::RESULT, $stream, '', [$of('alive', getmypid()), $of('dead', 2 ** 22 + 1)]]);
        self::assertSame([Frame::HANGUP, 0, 0, 1, ['dead'], 1001], array_slice($host->next(), 0, 6));
    }
}
