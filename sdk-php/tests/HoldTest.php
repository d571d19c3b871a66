<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Http\Response;
use WorkerHost\Http\ServerSentEvent;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Held responses (SPEC.md §10.6) and the events that go into them (WHATWG HTML §9.2). */
final class HoldTest extends TestCase
{
    public function testAResponseIsHeld(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => Response::hold("data: hi\n\n", '
            . 'groups: "prices", uid: 7, session: ["last" => $r->header("last-event-id")], timeout: 1.5))->run();');
        $host->request('GET', '/', ['Last-Event-ID', '17']);
        self::assertSame([
            Frame::RESPONSE, 1, 2, 200, ['Content-Type', 'text/event-stream', 'Cache-Control', 'no-store'],
            "data: hi\n\n", null, [['prices'], '7', ['last', '17'], false, 1500], null,
        ], $host->next());
    }

    public function testALongPollSaysWhatItIs(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => Response::hold(groups: ["a", "b"], '
            . 'once: true, headers: ["content-type" => "application/json", "Cache-Control" => "private"], status: '
                . '201))->run();');
        $host->request();
        self::assertSame([Frame::RESPONSE, 1, 2, 201, ['content-type', 'application/json', 'Cache-Control', 'private'],
            null, null, [['a', 'b'], '', [], true, 0], null], $host->next());
    }

    public function testActsAndLongFirstBytesGoBeforeDone(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onRequest(function () use ($w) { '
            . '$w->connections()->sendToAll("one more"); return Response::hold(str_repeat("x", 70000)); })->run();');
        $host->request();
        $response = $host->next();
        self::assertSame([Frame::RESPONSE, 0, 65536], [$response[0], $response[2], strlen($response[5])]);
        self::assertSame([[], '', [], false, 0], $response[7]);
        self::assertSame(4464, strlen($host->next()[3]));
        self::assertSame('one more', $host->next()[5]);
        self::assertSame([Frame::DONE, 1], $host->next());
    }

    public function testHeadIsNotHeld(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::hold("x"))->run();');
        $host->request('HEAD');
        $response = $host->next();
        self::assertSame([3, null], [$response[2], $response[7]]);
    }

    public function testMistakesAreClearErrors(): void
    {
        foreach ([
            'holds an object of stdClass' => fn () => Response::hold(session: ['k' => new \stdClass()]),
            'not for -1' => fn () => Response::hold(timeout: -1),
            'status 204 has none' => fn () => Response::hold(status: 204),
        ] as $message => $mistake) {
            try {
                $mistake();
                self::fail("no error: $message");
            } catch (\TypeError | \ValueError $e) {
                self::assertStringContainsString($message, $e->getMessage());
            }
        }
    }

    public function testEventsHaveTheFormOfTheStandard(): void
    {
        self::assertSame("data: hi\n\n", (string) new ServerSentEvent('hi'));
        self::assertSame("data: \n\n", (string) new ServerSentEvent(''));
        self::assertSame("event: price\nid: 17\nretry: 3000\ndata: a\ndata: b\ndata: \ndata: c\n\n",
            (string) new ServerSentEvent("a\nb\r\n\rc", 'price', '17', 3000));
        self::assertSame("id: \ndata: x\n\n", (string) new ServerSentEvent('x', id: ''));
        foreach ([fn () => new ServerSentEvent('x', "a\nb"), fn () => new ServerSentEvent('x', id: "a\rb"),
            fn () => new ServerSentEvent('x', id: "a\0"), fn () => new ServerSentEvent('x', retry: -1)] as $mistake) {
            try {
                $mistake();
                self::fail('no error');
            } catch (\ValueError $e) {
                self::assertNotSame('', $e->getMessage());
            }
        }
    }

    public function testAnEventIsSentAsItIs(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onMessage(function (Connection $c) use ($w) { '
            . '$w->connections()->sendToGroup("g", new ServerSentEvent("x", id: "1")); $c->send(new '
                . 'ServerSentEvent("y")); })->run();');
        self::assertSame([[Frame::SEND, 1, 4, 3, ['g'], "id: 1\ndata: x\n\n", []],
            [Frame::SEND, 1, 6, 0, [], "data: y\n\n", []]], $host->deliver(''));
    }
}
