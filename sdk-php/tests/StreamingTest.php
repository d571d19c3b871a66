<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Bodies of responses: chunk by chunk, under the window, stopped when the client leaves. */
final class StreamingTest extends TestCase
{
    public function testEachChunkIsFlushedAtOnce(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(fn (Request $r) => Response::stream((function () use ($r) {
                yield 'a'; $r->stream() && fread($r->stream(), 1); yield 'b'; fread($r->stream(), 1); yield ''; yield 'c';
            })()))->run();
            PHP);
        $stream = $host->request('POST', '/', [], null, false);
        self::assertSame([Frame::RESPONSE, $stream, 0, 200, ['Content-Type', 'application/octet-stream'], 'a', null,
            null, null], $host->next());
        $host->send([Frame::DATA, $stream, 0, '1']);
        self::assertSame([Frame::DATA, $stream, 0, 'b', null], $host->next());
        $host->send([Frame::DATA, $stream, 0, '2']);
        self::assertSame([Frame::DATA, $stream, 0, 'c', null], $host->next());
        self::assertSame([Frame::DATA, $stream, 3, '', null], $host->next());
    }

    /** @return iterable<string, array{string}> */
    public function bodies(): iterable
    {
        yield 'a string' => ['new Response(200, [], $all)'];
        yield 'an array of chunks' => ['new Response(200, [], str_split($all, 100000))'];
        yield 'one chunk' => ['Response::stream([$all])'];
        yield 'a generator function' => [
            'Response::stream(function () use ($all) { yield from str_split($all, 7777); })'];
        yield 'a function that writes' => [
            'Response::stream(function (Closure $write) use ($all) { array_map($write, str_split($all, 65537)); })'];
        yield 'a resource' => ['Response::stream((function () use ($all) { $f = fopen("php://temp", "w+"); '
            . 'fwrite($f, $all); rewind($f); return $f; })())'];
    }

    /** @dataProvider bodies */
    public function testALongBodyIsHeldToTheWindow(string $response): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(function () { $all = str_repeat("0123456789abcdef", 20000); return '
                . $response . '; })->run();', window: 100000);
        $stream = $host->request();
        $message = $host->next();
        self::assertSame([Frame::RESPONSE, 0], [$message[0], $message[2]]);
        $body = $message[5];
        for ($window = 100000; $window > 0; $window -= strlen($message[3])) {
            $message = $host->next();
            self::assertLessThanOrEqual(min(65536, $window), strlen($message[3]));
            $body .= $message[3];
        }
        self::assertTrue($host->silent(0.05), 'nothing beyond the window');
        $host->send([Frame::PING, 0, 77]);
        self::assertSame([Frame::PONG, 0, 77], $host->next(), 'a worker that waits still reads');
        $host->send([Frame::WINDOW, $stream, 1]);
        self::assertSame(1, strlen(($message = $host->next())[3]));
        $body .= $message[3];
        $host->send([Frame::WINDOW, $stream, 1000000]);
        $answer = $host->answer($stream);
        self::assertSame(md5(str_repeat('0123456789abcdef', 20000)), md5($body . $answer->body));
        self::assertTrue($answer->ended);
    }

    public function testALongStringHasItsLength(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => str_repeat("x", 65537))->run();');
        $answer = $host->get();
        self::assertSame([['65537'], 65537], [$answer->headers['content-length'], strlen($answer->body)]);
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => str_repeat("x", 65536))->run();');
        self::assertSame([Frame::RESPONSE], $host->get()->types);
    }

    public function testAGeneratorIsStoppedWhenTheClientLeaves(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(function () {
                return Response::stream((function () {
                    try { for ($i = 0; ; ++$i) { usleep(1000); yield "chunk $i\n"; } } finally { Log::info('finally'); }
                })())->after(function () { Log::info('after'); });
            })->run();
            PHP);
        $stream = $host->request();
        self::assertSame("chunk 0\n", $host->next()[5]);
        $host->send([Frame::RESET, $stream, 1]);
        $answer = $host->answer($stream, false);
        self::assertSame([false, true, null], [$answer->ended, $answer->done, $answer->reset]);
        self::assertSame(['finally', 'after'], array_column($host->logs, 3), 'before DONE');
        $host->request();
        self::assertSame(200, $host->next()[3], 'the worker lives on');
    }

    public function testItIsStoppedWhileItWaitsForTheWindowToo(): void
    {
        $code = 'Worker::create()->onRequest(fn () => Response::stream((function () { try { for (;;) yield '
            . 'str_repeat("x", 1000); } finally { Log::info("finally"); } })()))->run();';
        $host = FakeHost::serving($code, window: 2000);
        $stream = $host->request();
        [$host->next(), $host->next(), $host->next()];
        $host->send([Frame::RESET, $stream, 2]);
        self::assertSame([Frame::DONE], $host->answer($stream)->types);
        self::assertSame(['finally'], array_column($host->logs, 3));
    }

    public function testAFunctionThatWritesIsStoppedToo(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::stream(function ($write) { try { '
            . 'for (;;) $write("x"); } finally { Log::info("finally"); } }))->run();', window: 100);
        $stream = $host->request();
        $host->next();
        $host->send([Frame::RESET, $stream, 1]);
        self::assertTrue($host->answer($stream, false)->done);
        self::assertSame('finally', $host->logs[0][3]);
    }

    public function testTheHostsEndStopsIt(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::stream((function () { for (;;) '
            . 'yield "x"; })()))->onStop(function () { echo "stopped"; })->run();', window: 10);
        $host->request();
        $host->next();
        self::assertSame(0, $host->end());
        self::assertStringContainsString('stopped', $host->log());
    }

    public function testAHandlerCanAskWhetherTheClientIsThere(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { $r->inform(103); while '
            . '(!$r->isCancelled()) usleep(500); Log::info("noticed"); return "x"; })->run();');
        $stream = $host->request();
        self::assertSame(Frame::INFORM, $host->next()[0]); // it has begun
        $host->send([Frame::RESET, $stream, 1]);
        self::assertSame([Frame::DONE], $host->answer($stream)->types);
        self::assertSame('noticed', $host->logs[0][3]);
    }

    public function testHeadRunsNoGenerator(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => $r->path === "/s" ? '
            . 'Response::stream((function () { Log::info("ran"); yield "x"; })()) : str_repeat("x", 70000))->run();');
        $answer = $host->get('HEAD', '/s');
        self::assertSame([[Frame::RESPONSE], '', true, []],
            [$answer->types, $answer->body, $answer->done, $host->logs]);
        $answer = $host->get('HEAD', '/long');
        self::assertSame([[Frame::RESPONSE], '', ['70000']],
            [$answer->types, $answer->body, $answer->headers['content-length']]);
    }

    public function testTrailersFollowTheBody(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(function () {
                $sum = 0;
                return Response::stream((function () use (&$sum) { foreach ([1, 2] as $n) { $sum += $n; yield "$n"; } })())
                    ->withTrailer('X-Fixed', 'a')->withTrailer('X-Sum', function () use (&$sum) { return "$sum"; });
            })->run();
            PHP);
        $answer = $host->get();
        self::assertSame(['12', ['X-Fixed', 'a', 'X-Sum', '3'], true],
            [$answer->body, $answer->trailers, $answer->done]);
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn () => Response::text("short")->withTrailer("A", "b"))->run();');
        self::assertSame(['short', ['A', 'b']], [($answer = $host->get())->body, $answer->trailers]);
    }

    public function testEarlyHintsGoAhead(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { $r->earlyHints(["</a.css>; '
            . 'rel=preload", "</b.js>; rel=preload"]); $r->inform(102); return "x"; })->run();');
        $answer = $host->get();
        self::assertSame([[103, ['Link', '</a.css>; rel=preload', 'Link', '</b.js>; rel=preload']], [102, []]],
            $answer->informs);
    }

    public function testAFileIsLeftToTheHost(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => Response::file($r->path === "/no" '
            . '? "/no/such" : __FILE__, download: "naïve.php"))->run();');
        $answer = $host->get();
        self::assertSame([realpath($host->path('worker.php')), '', true],
            [$answer->file, $answer->body, $answer->done]);
        self::assertSame(["attachment; filename=\"na__ve.php\"; filename*=UTF-8''na%C3%AFve.php"],
            $answer->headers['content-disposition']);
        self::assertSame(500, $host->get('GET', '/no')->status);
    }
}
