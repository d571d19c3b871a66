<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Connections;
use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;
use WorkerHost\Tests\Support\Vectors;

/** Connections that the host makes (SPEC.md §16). */
final class DialsTest extends TestCase
{
    private const FEED = ['c1', 'sse', '192.0.2.1:443', 'u7', ['feeds'], [], 'dial', []];

    private static function serving(string $body, string $mode = ''): FakeHost
    {
        return FakeHost::serving('$worker = Worker::create()' . $mode . '; $worker->onRequest(function (Request $r) use '
            . '($worker) { $all = $worker->connections(); try { return json_encode(' . $body . '); } catch (CallFailed '
            . '$e) { return $e->getCode() . $e->getMessage(); } })->run();');
    }

    /** What of a request the host answers its calls with, and what it was asked. @return array{list<mixed>, string} */
    private static function asked(FakeHost $host, mixed $result, string $error = '', int $code = 0): array
    {
        $stream = $host->request();
        $call = $host->next();
        $host->send([Frame::RESULT, $call[1], $error, $result, $code]);

        return [array_slice($call, 0, 4), $host->answer($stream)->body];
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testADialIsAskedForAsTheVectorsHaveIt(string $mode): void
    {
        foreach ([
            'CALL that asks for a dial' => '$all->dial("wss://feed.example/v1", "prices")',
            'CALL that asks for a WebSocket with all that may be said of it' => '$all->dial("wss://feed.example/v1", '
                . '"prices", session: ["list" => [1, "two"], "n" => 3], groups: ["feeds", "öl"], uid: "u7", headers: '
                . '["Authorization" => "Bearer {secret:FEED}", "X-A" => ["b", "c"]], subprotocols: ["v2.feed", '
                . '"v1.feed"], reconnect: false, reconnectMax: 1.5, connectTimeout: 2.5, pingInterval: 0, '
                . 'pongTimeout: 3, idleTimeout: 60, maxMessage: 65536)',
            'CALL that asks for TCP with a delimiter' => '$all->dial("tcp://192.0.2.7:9000", "meter", '
                . 'delimiter: ";;")',
            'CALL that ends a dial' => '$all->closeDial("prices")',
            "CALL that asks for a dial's connection" => '$all->dialId("prices")',
        ] as $name => $code) {
            [$call] = self::asked(self::serving($code, $mode), null);
            $want = Vectors::message($name);
            self::assertSame([$want[0], $want[2], $want[3]], [$call[0], $call[2], $call[3]], $name);
        }
    }

    public function testTheAnswersAreTheHosts(): void
    {
        foreach ([['$all->dial("ws://a", "n")', 'there', '"there"'], ['$all->closeDial("n")', true, 'true'],
            ['$all->closeDial("n")', false, 'false'], ['$all->dialId("n")', 'c9', '"c9"'],
            ['$all->dialId("n")', null, 'null']] as [$code, $result, $want]) {
            self::assertSame($want, self::asked(self::serving($code), $result)[1]);
        }
        $refused = self::serving('$all->dial("ws://a", "n")');
        self::assertSame('4the host says: write it into allow',
            self::asked($refused, null, 'write it into allow', 4)[1]);
    }

    public function testATimerAsksForOneWhenTheWorkerStarts(): void
    {
        $host = FakeHost::serving('$worker = Worker::create(); $worker->after(0, fn () => $worker->connections()'
            . '->dial("ws://a", "n")); $worker->onMessage(fn () => 1)->run();');
        $call = $host->next();
        self::assertSame([Frame::CALL, 'dial.open', ['ws://a', 'n']], [$call[0], $call[2], $call[3]]);
        $host->send([Frame::RESULT, $call[1], '', 'begun']);
        self::assertSame([Frame::DONE], array_column($host->deliver('x'), 0));
    }

    public function testOneThatWaitsLetsOthersRun(): void
    {
        $host = FakeHost::serving('$worker = Worker::create()->concurrency(5); $worker->onRequest(fn (Request $r) => '
            . '$r->path === "/dial" ? $worker->connections()->dial("ws://a", "n") : "other")->run();');
        $first = $host->request('GET', '/dial');
        $call = $host->next();
        self::assertSame('other', $host->get()->body);
        $host->send([Frame::RESULT, $call[1], '', 'begun']);
        self::assertSame('begun', $host->answer($first)->body);
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testEventsTellOfWhichDialTheyAre(string $mode): void
    {
        $host = FakeHost::serving('Worker::create()' . $mode . '->onOpen(function (Connection $c, ?Request $r) { '
            . '$c->send(json_encode([$c->dial, $c->reconnects, $c->subprotocol, $c->listener, $r])); })'
            . '->onMessage(function (Connection $c, string $data, bool $binary, array $about) { '
            . '$c->send(json_encode([$c->dial, $c->reconnects, $data, $about])); })->run();');
        $sent = fn (array $acts): array => array_column($acts, 5);
        self::assertSame(['["prices",0,"","dial",null]'], $sent($host->done($host->event(Frame::OPEN,
            [[...self::FEED, ['prices']], 1]))));
        self::assertSame(['["prices",3,"v2","dial",null]'], $sent($host->done($host->event(Frame::OPEN,
            [[...self::FEED, ['prices', 3, 'v2']], 1]))));
        self::assertSame(['["",0,"","",null]'], $sent($host->done($host->event(Frame::OPEN,
            [['c1', 'tcp', '192.0.2.1:1'], 1]))));
        self::assertSame(['["news",2,"one",{"event":"price","id":"7"}]', '["news",2,"two",{"id":"8"}]',
            '["news",2,"three",[]]'], $sent($host->done($host->event(Frame::MESSAGE, [1, [...self::FEED, ['news', 2]],
                1, 'one', [[1, 'two', ['id', '8']], [1, 'three']], ['event', 'price', 'id', '7']]))));
    }

    public function testMistakesAreClearErrors(): void
    {
        $all = new Connections(new Acts());
        foreach ([
            'dial(): reconnectMax is a number of seconds of at least 0.1, not 0.05' =>
                fn () => $all->dial('ws://a', 'n', reconnectMax: 0.05),
            'dial(): pingInterval is a number of seconds of 0 or more, not -1' =>
                fn () => $all->dial('ws://a', 'n', pingInterval: -1),
            'dial(): idleTimeout is a number of seconds of 0 or more, not NAN' =>
                fn () => $all->dial('ws://a', 'n', idleTimeout: \NAN),
            "session['k'] holds an object of stdClass" =>
                fn () => $all->dial('ws://a', 'n', session: ['k' => new \stdClass()]),
            'X-A' => fn () => $all->dial('ws://a', 'n', headers: ['X-A' => "b\r\nc"]),
            'not from onStart()' => fn () => $all->dial('ws://a', 'n'),
        ] as $message => $mistake) {
            try {
                $mistake();
                self::fail("no error with $message");
            } catch (\Error $e) {
                self::assertStringContainsString($message, $e->getMessage());
            }
        }
    }
}
