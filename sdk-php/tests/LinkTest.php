<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** From HELLO to the end: boot, pings, drain, and frames that a host should not have sent. */
final class LinkTest extends TestCase
{
    private const OK = 'Worker::create()->onRequest(fn () => "ok")->run();';

    public function testReadyComesAfterOnStartAndSaysWhatTheWorkerIs(): void
    {
        $host = new FakeHost('Worker::create()->onStart(function () { Log::info("one"); })->onStart(function () { '
            . 'Log::info("two"); })->onRequest(fn () => "ok")->run();');
        $host->hello();
        $ready = $host->next();
        self::assertSame(['one', 'two'], array_column($host->logs, 3));
        self::assertSame([Frame::READY, 0, 1, $host->pid], array_slice($ready, 0, 4));
        self::assertStringStartsWith('php/', $ready[4]);
        self::assertSame([1, \extension_loaded('pcntl') ? ['forms', 'ahead', 'deadline', 'pieces', 'backtrace']
            : ['forms', 'ahead', 'deadline', 'pieces'], 262144, []], array_slice($ready, 5));
        self::assertSame(0, $host->end());
    }

    /** @return iterable<string, array{string, string}> */
    public function brokenBoots(): iterable
    {
        yield 'a throw' => ['throw new RuntimeException("no database");', 'RuntimeException: no database in '];
        yield 'a parse error in an included file' => [
            'file_put_contents(__DIR__ . "/x.php", "<?php +;"); require __DIR__ . "/x.php";',
            'ParseError: syntax error'];
        yield 'exit()' => ['exit(0);', 'the code called exit() before the worker was ready'];
        yield 'a fatal error' => ['ini_set("memory_limit", "16M"); $x = str_repeat("x", 1 << 30);',
            'Allowed memory size'];
    }

    /** @dataProvider brokenBoots */
    public function testABrokenBootSaysFailed(string $code, string $message): void
    {
        $host = new FakeHost("Worker::create()->onStart(function () { $code })->onRequest(fn () => 1)->run();");
        $host->hello();
        $failed = $host->next();
        self::assertSame(Frame::FAILED, $failed[0]);
        self::assertStringContainsString($message, $failed[2]);
        self::assertSame([], $host->next());
    }

    public function testWithoutACommonVersionItFailsAndNamesBoth(): void
    {
        $host = new FakeHost(self::OK);
        $host->hello(versions: [7, 8]);
        $failed = $host->next();
        self::assertSame(Frame::FAILED, $failed[0]);
        self::assertStringContainsString('the host speaks 7, 8, this SDK speaks 1', $failed[2]);
        self::assertSame(1, $host->end());
    }

    public function testDrainEndsAnIdleWorkerInGoodOrder(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn () => "ok")->onStop(function () { Log::info("stopped"); })->run();');
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([], $host->next());
        self::assertSame('stopped', $host->logs[0][3]);
        self::assertSame(0, $host->end());
    }

    public function testDrainLetsTheRequestAtHandFinish(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => $r->body())->run();');
        $stream = $host->request('POST', '/', [], 'a', false);
        $host->send([Frame::DRAIN, 0]);
        $host->send([Frame::DATA, $stream, 1, 'b']);
        self::assertSame('ab', $host->answer($stream)->body);
        self::assertSame([], $host->next());
        self::assertSame(0, $host->end());
    }

    public function testARequestBehindDrainIsRefusedSoThatAnotherWorkerTakesIt(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => $r->body())->run();');
        $stream = $host->request('POST', '/', [], 'a', false);
        $host->send([Frame::DRAIN, 0]);
        $host->send([Frame::DATA, $stream, 1, '']);
        self::assertSame('a', $host->answer($stream)->body);
        self::assertSame([], $host->next());

        $host = FakeHost::serving(
            'usleep(0); Worker::create()->onStart(fn () => usleep(50000))->onRequest(fn () => "x")->run();');
        $codec = new \WorkerHost\Internal\Codec();
        $host->raw($codec->frame([Frame::DRAIN, 0])
            . $codec->frame([Frame::REQUEST, 1, 1, 'GET', '/', '1.1', 'http', '', '', []]));
        $answer = $host->answer(1);
        self::assertSame([Frame::CODE_REFUSED, true, 0], [$answer->reset, $answer->done, $answer->status]);
        self::assertSame(0, $host->end());
    }

    public function testEndOfInputEndsTheWorker(): void
    {
        foreach ([true, false] as $announced) {
            $host = FakeHost::serving(
                'Worker::create()->onRequest(fn () => "ok")->onStop(function () { echo "stopped"; })->run();',
                $announced);
            self::assertSame(0, $host->end());
            self::assertStringContainsString('stopped', $host->log());
        }
    }

    public function testPingIsAnswered(): void
    {
        $host = FakeHost::serving(self::OK);
        $host->send([Frame::PING, 0, \PHP_INT_MAX]);
        self::assertSame([Frame::PONG, 0, \PHP_INT_MAX], $host->next());
    }

    public function testUnknownTypesAreIgnoredOnTheLinkAndRefusedByNameOnAStream(): void
    {
        $host = FakeHost::serving(self::OK);
        $host->send([100, 0, 'x']);
        $host->send([60, 2, ['a']]);
        self::assertSame([Frame::RESET, 2, Frame::CODE_UNKNOWN, 'type 60, which this SDK does not know'],
            $host->next());
        self::assertStringContainsString('type 100', $host->logs[0][3]);
        self::assertSame('ok', $host->get()->body);
    }

    public function testTheHostsLimitsHoldInPlaceOfThoseOfTheText(): void
    {
        $host = FakeHost::serving(
            '$worker = Worker::create(); $worker->onRequest(function (Request $r) use ($worker) {
                try { $worker->connections()->sendToAll("more than that"); } catch (LengthException $e) { return $e->getMessage(); }
            })->run();',
            limits: ['acts', 16, 'acts', 1000],
        );
        self::assertStringContainsString('up to 16 bytes of it', $host->get()->body);

        $busy = 'Worker::create()->onRequest(function (Request $r) { while (!$r->isCancelled()) usleep(1000); '
            . '})->run();';
        $host = FakeHost::serving($busy, limits: ['ahead', 1]);
        $host->request();
        $host->request();
        $host->request();
        self::assertSame(1, $host->end());
        self::assertStringContainsString('expected 1 REQUESTs ahead at the most, got REQUEST 5', $host->log());
    }

    public function testARequestTellsHowMuchTimeIsLeftToBeginItsAnswer(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) {
            $a = $r->timeLeft();
            usleep(20000);
            return [$a, $r->timeLeft()];
        })->run();');
        self::assertSame('[null,null]', $host->get()->body);
        [$at, $later] = json_decode($host->get(more: [0, null, null, 1, '', '', 30000])->body);
        self::assertTrue($at > 25 && $at <= 30 && $later <= $at - 0.02 && $later > 20, "$at, then $later");
        self::assertEquals(0, json_decode($host->get(more: [0, null, null, 1, '', '', 1])->body)[1]);
        self::assertNull(\WorkerHost\Http\Request::create('GET', '/')->timeLeft());
    }

    /** @return iterable<string, array{string, string}> */
    public function linkErrors(): iterable
    {
        $codec = new \WorkerHost\Internal\Codec(false);
        $request = [Frame::REQUEST, 1, 0, 'GET', '/', '1.1', 'http', '', '', []];
        yield 'length 0' => ["\0\0\0\0", 'a length of 0'];
        yield 'text' => ['<html>', '"<html>"'];
        yield 'not msgpack' => ["\0\0\0\1\xc1", 'a MessagePack array'];
        yield 'a worker\'s message' => [$codec->frame([Frame::READY, 0, 1, 2, 'x']), 'got READY'];
        yield 'HELLO again' => [$codec->frame([Frame::HELLO, 0, [1], 'x', 1, 0]), 'HELLO once'];
        $many = '';
        for ($stream = 1; $stream <= 3 + 2 * Frame::MAX_AHEAD; $stream += 2) {
            $many .= $codec->frame([Frame::REQUEST, $stream] + $request);
        }
        yield 'too many requests ahead' => [$many, '8 REQUESTs ahead at the most'];
    }

    /** @dataProvider linkErrors */
    public function testALinkErrorSaysWhatWasExpectedAndWhatCame(string $bytes, string $message): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => $r->body())->run();');
        $host->raw($bytes);
        self::assertSame([], $host->next());
        self::assertSame(1, $host->end());
        self::assertStringContainsString('the link to the host has failed: expected ', $host->log());
        self::assertStringContainsString($message, $host->log());
    }

    public function testALinkErrorThatUserCodeCatchesStillEndsTheLink(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { try { return $r->body(); } '
            . 'catch (Throwable) { return "caught"; } })->run();');
        $stream = $host->request('POST', '/', [], null, false);
        $host->raw("\0\0\0\1\xc1");
        $host->answer($stream);
        self::assertSame([], $host->next());
        self::assertSame(1, $host->end());
    }

    public function testFramesInPiecesAndInHeapsAreTheSame(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => $r->target)->run();');
        $codec = new \WorkerHost\Internal\Codec();
        foreach (str_split($codec->frame(
            [Frame::REQUEST, 1, 1, 'GET', '/pieces', '1.1', 'http', '', '', []])) as $byte) {
            $host->raw($byte);
        }
        self::assertSame('/pieces', $host->answer(1)->body);
        $heap = '';
        for ($stream = 3; $stream < 403; $stream += 2) {
            $heap .= $codec->frame([Frame::REQUEST, $stream, 1, 'GET', "/$stream", '1.1', 'http', '', '', []]);
        }
        $host->raw($heap);
        for ($stream = 3; $stream < 403; $stream += 2) {
            self::assertSame("/$stream", $host->answer($stream)->body);
        }
    }

    public function testWithoutTheExtensionAllIsTheSame(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => [extension_loaded("msgpack"), '
            . '$r->header("x"), $r->body()])->run();', php: ['-n', '-d', 'display_errors=stderr']);
        self::assertSame('[false,"y","z"]', $host->get('POST', '/', ['X', 'y'], 'z')->body);
    }

    public function testTwentyThousandRequestsLeaveMemoryWhereItWas(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->superglobals()->onRequest(function (Request $r) {
                $r->headers; $r->cookies; $r->query; $r->body(); $r = $r->withAttribute('a', $r);
                return $r->path === '/memory' ? [memory_get_usage()] : Response::stream(['a'])->withCookie('a', 'b')->after(fn () => null);
            })->run();
            PHP);
        for ($i = 0; $i < 200; ++$i) {
            $host->get('POST', '/?a=b', ['Cookie', 'a=b'], 'body');
        }
        $host->get('GET', '/memory'); // what runs for the first time takes memory, which PHP gets 64 KiB at a time
        $before = json_decode($host->get('GET', '/memory')->body)[0];
        for ($i = 0; $i < 20000; ++$i) {
            $host->get('POST', '/?a=b', ['Cookie', 'a=b'], 'body');
        }
        self::assertLessThan(64 << 10, json_decode($host->get('GET', '/memory')->body)[0] - $before);
    }
}
