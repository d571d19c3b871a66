<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Async;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Fibers\Reactor;
use WorkerHost\Internal\Fibers\Scheduler;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\Answer;
use WorkerHost\Tests\Support\FakeHost;

/** Many requests in one worker: Worker::concurrency() and Async. */
final class FibersTest extends TestCase
{
    private static function serving(string $handler, string $more = '', int $window = 262144): FakeHost
    {
        return FakeHost::serving("\$worker = Worker::create()->concurrency(100); \$worker->onRequest(
            function (Request \$request) use (\$worker) { $handler }){$more}->run();", window: $window);
    }

    public function testReadySaysHowManyAndTakesNothingAhead(): void
    {
        $host = self::serving('return "";');
        self::assertSame(100, $host->ready[5]);
        self::assertNotContains('ahead', $host->ready[6]);
        self::assertContains('deadline', $host->ready[6]);
    }

    public function testARequestThatWaitsLetsOthersRun(): void
    {
        $host = self::serving('if ($request->path === "/slow") { Async::delay(30); } return "done";');
        $slow = $host->request('GET', '/slow');
        self::assertSame('done', $host->get('GET', '/quick')->body);
        $host->send([Frame::RESET, $slow, 1, '']);
        self::assertTrue($host->answer($slow)->done);
        self::assertSame('done', $host->get('GET', '/quick')->body);
    }

    public function testAnswersComeWhenTheyAreReadyWhateverTheOrder(): void
    {
        $host = self::serving('Async::delay((float) $request->query["s"]); return $request->query["s"];');
        $streams = [];
        foreach (['0.06', '0.01', '0.03'] as $seconds) {
            $streams[$host->request('GET', "/?s=$seconds")] = $seconds;
        }
        $order = [];
        while (\count($order) < 3) {
            $message = $host->next();
            self::assertSame([Frame::RESPONSE, 3], [$message[0], $message[2]]);
            $order[] = $message[5];
            self::assertSame($streams[$message[1]], $message[5]);
        }
        self::assertSame(['0.01', '0.03', '0.06'], $order);
    }

    public function testABodyThatComesSlowlyHoldsUpItsOwnRequestAlone(): void
    {
        $host = self::serving('return strlen($request->body()) . $request->path;');
        $first = $host->request('POST', '/a', [], 'one', false);
        $second = $host->request('POST', '/b', [], null, false);
        self::assertSame('0/c', $host->get('GET', '/c')->body);
        $host->send([Frame::DATA, $second, 1, 'whole']);
        self::assertSame('5/b', $host->answer($second)->body);
        $host->send([Frame::DATA, $first, 0, 'two']);
        $host->send([Frame::DATA, $first, 1, 'three']);
        self::assertSame('11/a', $host->answer($first)->body);
    }

    public function testABodyOfAnySizeIsReadAsAStream(): void
    {
        $host = self::serving('$n = 0; for ($s = $request->stream(); !feof($s);) { $n += strlen(fread($s, 8192)); }
            return "$n";');
        $stream = $host->request('POST', '/', [], null, false);
        for ($i = 0; $i < 12; $i++) {
            $host->send([Frame::DATA, $stream, 0, str_repeat('x', 65536)]);
            if ($i % 2 === 1) {
                self::assertSame([Frame::WINDOW, $stream, 131072], $host->next());
            }
        }
        $host->send([Frame::DATA, $stream, 1, '']);
        self::assertSame((string) (12 * 65536), $host->answer($stream)->body);
    }

    public function testAClientThatTakesNothingHoldsUpItsOwnStreamAlone(): void
    {
        $host = self::serving('return $request->path !== "/long" ? "short" : Response::stream(function () {
            for ($i = 0; $i < 100; $i++) { yield str_repeat("x", 1000); } });', window: 10000);
        $long = $host->request('GET', '/long');
        $answer = new Answer();
        while (strlen($answer->body) < 11000) { // the head has the first chunk, which takes no room
            $answer->take($host->next());
        }
        self::assertSame('short', $host->get('GET', '/')->body);
        $rest = $host->request('GET', '/long');
        $host->send([Frame::WINDOW, $long, 200000]);
        while (!$answer->done) {
            $message = $host->next();
            if ($message[1] === $long) {
                $answer->take($message);
            }
        }
        self::assertSame(100000, strlen($answer->body));
        $host->send([Frame::RESET, $rest, 1, '']);
        self::assertTrue($host->answer($rest)->done);
    }

    public function testFunctionsRunSideBySideAndTheirResultsHaveTheirKeys(): void
    {
        $host = self::serving('$began = microtime(true); $all = Async::all([
            "a" => function () { Async::delay(0.1); return 1; }, "b" => fn () => 2,
            "c" => function () { Async::delay(0.05); return Async::all([fn () => 3, fn () => 4]); }]);
            return ["all" => $all, "late" => microtime(true) - $began > 0.14];');
        self::assertSame('{"all":{"a":1,"b":2,"c":[3,4]},"late":false}', $host->get()->body);
    }

    public function testTheFirstThrowCancelsTheRest(): void
    {
        $host = self::serving('try { Async::all([
            function () { try { Async::delay(30); } catch (RequestCancelled $e) { Log::info("told: " . $e->getMessage());
                throw $e; } finally { Async::delay(0.01); Log::info("cleaned"); } },
            function () { Async::delay(0.01); throw new DomainException("no"); },
            ]); } catch (DomainException $e) { return "caught " . $e->getMessage(); }');
        self::assertSame('caught no', $host->get()->body);
        self::assertSame(['told: another function of Async::all() has thrown', 'cleaned'],
            \array_column($host->logs, 3));
    }

    public function testWhatIsLoggedAndPrintedNamesTheRequestAcrossWaits(): void
    {
        $host = self::serving('echo "began $request->path\n"; Async::delay(0.02); Log::info("logged $request->path");
            Async::all([function () use ($request) { Async::delay(0.01); echo "inner $request->path\n"; }]);
            echo "over $request->path\n"; return "";');
        $streams = ['/a' => $host->request('GET', '/a'), '/b' => $host->request('GET', '/b')];
        $host->answer($streams['/a']);
        if (!str_contains($host->printed[$streams['/b']], 'over')) {
            $host->answer($streams['/b']);
        }
        foreach ($streams as $path => $stream) {
            self::assertSame("began $path\ninner $path\nover $path\n", $host->printed[$stream]);
        }
        foreach ($host->logs as [, $stream, , $text]) {
            self::assertSame("logged " . \array_search($stream, $streams, true), $text);
        }
        self::assertCount(2, $host->logs);
    }

    public function testAFailureIsItsOwnRequestsAlone(): void
    {
        $host = self::serving('if ($request->path === "/bad") { Async::delay(0.01); throw new DomainException("oh"); }
            Async::delay(0.03); return "good";');
        [$bad, $good] = [$host->request('GET', '/bad'), $host->request('GET', '/good')];
        self::assertSame(500, $host->answer($bad)->status);
        self::assertSame('good', $host->answer($good)->body);
        self::assertSame([$bad, '/bad'], [$host->logs[0][1], $host->logs[0][4]['target']]);
    }

    /** @return iterable<string, array{string}> */
    public static function waits(): iterable
    {
        yield 'a delay' => ['Async::delay(30);'];
        yield 'several' => ['Async::all([fn () => Async::delay(30), fn () => Async::delay(40)]);'];
        yield 'a stream' => ['[$a, $b] = stream_socket_pair(1, 1, 0); Async::readable($a);'];
        yield 'a call' => ['$worker->connections()->count();'];
        yield 'its body' => ['$request->body();'];
    }

    /** @dataProvider waits */
    public function testAClientThatLeavesEndsTheWaitAndFinallyRuns(string $wait): void
    {
        $host = self::serving("try { $wait } catch (RequestCancelled \$e) { Log::info('told: ' . \$e->getMessage());
            throw \$e; } finally { Log::info('finally'); }");
        $stream = $host->request('POST', '/', [], null, false);
        if (str_contains($wait, 'count')) {
            $call = $host->next();
            self::assertSame(Frame::CALL, $call[0]);
        }
        $host->send([Frame::RESET, $stream, 1, '']);
        if (isset($call)) {
            self::assertSame([Frame::RESET, $call[1], 1], \array_slice($host->next(), 0, 3));
            $host->send([Frame::RESULT, $call[1], 'given up', null, 201]);
        }
        $answer = $host->answer($stream);
        self::assertSame([true, [Frame::DONE]], [$answer->done, $answer->types]);
        self::assertSame(['told: the client has left', 'finally'], \array_slice(\array_column($host->logs, 3), 0, 2));
        self::assertSame(['info', 'info'], \array_slice(\array_column($host->logs, 2), 0, 2));
        self::assertNotContains('error', \array_column($host->logs, 2));
        self::assertSame('', $host->log());
    }

    public function testAClientThatLeavesEndsTheStreamAndItsFinallyBlocks(): void
    {
        $host = self::serving('return Response::stream(function () { try { for (;;) { yield "x"; Async::delay(0.01); } }
            finally { Log::info("finally"); } });');
        $stream = $host->request();
        self::assertSame(Frame::RESPONSE, $host->next()[0]);
        $host->send([Frame::RESET, $stream, 1, '']);
        self::assertTrue($host->answer($stream)->done);
        self::assertContains('finally', \array_column($host->logs, 3));
    }

    public function testACancellationIsHeardOnceSoThatCleaningUpMayWait(): void
    {
        $host = self::serving('try { Async::delay(30); } finally { Async::delay(0.01); Log::info("cleaned"); }');
        $stream = $host->request();
        $host->send([Frame::RESET, $stream, 2, '']);
        self::assertTrue($host->answer($stream)->done);
        self::assertContains('cleaned', \array_column($host->logs, 3));
    }

    public function testEachFunctionHearsOfACancellationOnce(): void
    {
        $host = self::serving('Async::all([function () { try { Async::all([function () { try { Async::delay(30); }
            finally { Async::delay(0.01); Log::info("inner cleaned"); } }]); }
            finally { Async::delay(0.01); Log::info("outer cleaned"); } }]);');
        $stream = $host->request();
        $host->send([Frame::RESET, $stream, 1, '']);
        self::assertTrue($host->answer($stream)->done);
        self::assertSame(['inner cleaned', 'outer cleaned'], \array_slice(\array_column($host->logs, 3), 0, 2));
    }

    public function testCallsOfSeveralRequestsAreAnsweredInAnyOrder(): void
    {
        $host = self::serving('return "n" . $worker->connections()->count($request->query["g"]);');
        $one = $host->request('GET', '/?g=one');
        $two = $host->request('GET', '/?g=two');
        $calls = [];
        for ($i = 0; $i < 2; $i++) {
            $call = $host->next();
            $calls[$call[3][0]] = $call[1];
        }
        $host->send([Frame::RESULT, $calls['two'], '', 2]);
        self::assertSame('n2', $host->answer($two)->body);
        $host->send([Frame::RESULT, $calls['one'], '', 1]);
        self::assertSame('n1', $host->answer($one)->body);
    }

    public function testNoMoreCallsAreUnderWayThanTheHostTakes(): void
    {
        $host = FakeHost::serving('$worker = Worker::create()->concurrency(10); $worker->onRequest(
            fn () => "n" . $worker->connections()->count())->run();', limits: ['calls', 2]);
        $streams = [$host->request(), $host->request(), $host->request()];
        $calls = [$host->next()[1], $host->next()[1]];
        self::assertTrue($host->silent(0.05));
        $host->send([Frame::RESULT, $calls[0], '', 7]);
        self::assertSame('n7', $host->answer($streams[0])->body);
        $host->send([Frame::RESULT, $host->next()[1], '', 8]);
        self::assertSame('n8', $host->answer($streams[2])->body);
    }

    public function testActsAreTheRequestsThatAsked(): void
    {
        $host = self::serving('$worker->connections()->send("c", "first of $request->path"); Async::delay(0.02);
            $worker->connections()->sendToAll("second of $request->path");
            if ($request->path === "/b") { throw new DomainException("b"); } return "";');
        [$a, $b] = [$host->request('GET', '/a'), $host->request('GET', '/b')];
        $said = [...$host->done($a), ...$host->done($b)];
        $acts = \array_filter($said, static fn (array $m): bool => $m[0] === Frame::SEND);
        self::assertSame([[$a, 'first of /a'], [$a, 'second of /a']],
            \array_values(\array_map(static fn (array $m): array => [$m[1], $m[5]], $acts)));
    }

    public function testEventsOfDifferentConnectionsRunSideBySide(): void
    {
        $host = FakeHost::serving('Worker::create()->concurrency(10)->onMessage(function (Connection $c, string $data) {
            $c->session["last"] = $data; if ($data === "slow") { Async::delay(0.05); } $c->send("$c->id: $data");
            })->run();');
        $slow = $host->event(Frame::MESSAGE, [1, ['c1', 'websocket', ''], 1, 'slow']);
        $quick = $host->event(Frame::MESSAGE, [1, ['c2', 'websocket', ''], 1, 'quick']);
        $said = [...$host->done($quick), ...$host->done($slow)];
        self::assertSame([[$quick, 'c2: quick'], [$slow, 'c1: slow']], \array_map(
            static fn (array $m): array => [$m[1], $m[5]],
            \array_values(\array_filter($said, static fn (array $m): bool => $m[0] === Frame::SEND))));
        self::assertSame([[$quick, ['last', 'quick']], [$slow, ['last', 'slow']]], \array_map(
            static fn (array $m): array => [$m[1], $m[4]],
            \array_values(\array_filter($said, static fn (array $m): bool => $m[0] === Frame::SET))));
    }

    public function testAnEventThatIsGivenUpDoesNothing(): void
    {
        $host = FakeHost::serving('Worker::create()->concurrency(10)->onMessage(function (Connection $c, string $data) {
            $c->send("no"); Async::delay(30); })->run();');
        $stream = $host->event(Frame::MESSAGE, [1, ['c1', 'websocket', ''], 1, 'slow']);
        $host->send([Frame::RESET, $stream, 3, '']);
        $said = $host->done($stream);
        self::assertNotContains(Frame::SEND, \array_column($said, 0));
        self::assertSame(Frame::DONE, \end($said)[0]);
    }

    public function testALongMessageIsPutTogetherWhileOthersRun(): void
    {
        $host = FakeHost::serving('Worker::create()->concurrency(10)->onMessage(function (Connection $c, string $data) {
            $c->send(strlen($data) . ""); })->run();');
        $long = $host->event(Frame::MESSAGE, [0, ['c1', 'websocket', ''], 1, 'abc']);
        self::assertSame('2', $host->done($host->event(Frame::MESSAGE, [1, ['c2', 'websocket', ''], 1, 'xy']))[0][5]);
        $host->send([Frame::DATA, $long, 1, 'def']);
        self::assertSame('6', $host->done($long)[0][5]);
    }

    public function testDrainWaitsForWhatIsUnderWayAndTakesNothingMore(): void
    {
        $host = self::serving('Async::delay(0.05); return "done";', '->onStop(fn () => Log::info("stopped"))');
        $stream = $host->request();
        $host->send([Frame::DRAIN, 0, 1000]);
        self::assertSame('done', $host->answer($stream)->body);
        self::assertSame([], $host->next());
        self::assertSame(0, $host->end());
        self::assertContains('stopped', \array_column($host->logs, 3));
    }


    public function testWhatOnStopAsksForIsSent(): void
    {
        $host = FakeHost::serving('$worker = Worker::create()->concurrency(10); $worker->onRequest(fn () => "")
            ->onStop(fn () => $worker->connections()->sendToAll("bye"))->run();');
        $host->get();
        $host->send([Frame::DRAIN, 0, 1000]);
        self::assertSame([Frame::SEND, 0, 'bye'], [($said = $host->next())[0], $said[1], $said[5]]);
        self::assertSame(0, $host->end());
    }

    public function testABacktraceNamesWhereEachRequestWaits(): void
    {
        if (!\extension_loaded('pcntl') || !\extension_loaded('posix')) {
            self::markTestSkipped('this takes ext-pcntl and ext-posix');
        }
        $host = self::serving('if ($request->path === "/quick") { return ""; } Async::delay(30); return "";');
        $streams = [$host->request('GET', '/a'), $host->request('POST', '/b')];
        $host->get('GET', '/quick');
        posix_kill($host->pid, \SIGUSR2);
        $context = $host->nextLog()[4];
        self::assertStringNotContainsString('waits at', $context['backtrace']);
        self::assertMatchesRegularExpression("~^stream $streams[0] GET /a waits at \\S+worker.php:4\n"
            . "stream $streams[1] POST /b waits at \\S+worker.php:4$~", $context['requests']);
    }

    public function testTimersRunBesideRequestsAndBesideEachOther(): void
    {
        $host = self::serving('$worker->after(0.01, function () { Async::delay(0.03); Log::info("after"); });
            Async::delay(0.1); return "";', '->every(0.02, function () { static $n = 0; Async::delay(0.01);
                if (++$n < 3) { Log::info("tick"); } })');
        self::assertSame('', $host->get()->body);
        self::assertEqualsCanonicalizing(['tick', 'tick', 'after'], \array_column($host->logs, 3));
        self::assertSame([0], \array_unique(\array_column($host->logs, 1)));
    }

    public function testTimersThatAreDueTogetherRunOnceEach(): void
    {
        $host = self::serving('for ($i = 0; $i < 4; $i++) { $worker->after(0.01, fn () => Log::info("after $i")); }
            usleep(20000); Async::delay(0.05); return "";');
        self::assertSame('', $host->get()->body);
        self::assertSame(['after 0', 'after 1', 'after 2', 'after 3'], \array_column($host->logs, 3));
    }

    public function testATimerThatIsCancelledByOneBeforeItDoesNotRun(): void
    {
        $host = self::serving('$two = null; $worker->after(0.01, function () use (&$two) { $two->cancel(); });
            $two = $worker->after(0.01, fn () => Log::info("two")); usleep(20000); Async::delay(0.05); return "";');
        self::assertSame('', $host->get()->body);
        self::assertSame([], $host->logs);
    }

    public function testATimerThatIsMadeInAHandlerRunsNoneInItsMidst(): void
    {
        $host = self::serving('$worker->after(0.001, fn () => Log::info("tick")); usleep(5000);
            $worker->after(1, fn () => 0); Log::info("handler"); Async::delay(0.01); return "";');
        self::assertSame('', $host->get()->body);
        self::assertSame(['handler', 'tick'], \array_column($host->logs, 3));
    }

    /** @return iterable<string, array{string}> */
    public static function firmWaits(): iterable
    {
        yield 'for its body' => ['$request->body()'];
        yield 'for its body, in several fibers' => ['Async::all([fn () => $request->body(), $wait, $wait])'];
        yield 'for its body or more' => ['Async::all([$wait, fn () => Async::delay(30)])'];
    }

    /** @dataProvider firmWaits */
    public function testOneThatWaitsForABodyHearsOfACancellationOnce(string $wait): void
    {
        $host = self::serving("\$wait = function () use (\$request) { try { \$request->body(); }
            finally { Async::delay(0.01); Log::info('inner cleaned'); } };
            try { $wait; } finally { Async::delay(0.01); Log::info('cleaned'); }");
        $stream = $host->request('POST', '/', [], null, false);
        $host->send([Frame::RESET, $stream, 1, '']);
        self::assertTrue($host->answer($stream)->done);
        $told = \array_column($host->logs, 3);
        self::assertSame(1 + \substr_count($wait, '$wait'), \count(\preg_grep('/cleaned$/', $told)));
    }

    public function testOneThatWaitsForRoomHearsOfACancellationOnce(): void
    {
        $host = self::serving('return Response::stream(function () { try { for (;;) { yield str_repeat("x", 5000); } }
            finally { Async::delay(0.01); Log::info("cleaned"); } });', window: 10000);
        $stream = $host->request();
        for ($i = 0; $i < 3; $i++) {
            $host->next();
        }
        $host->send([Frame::RESET, $stream, 1, '']);
        self::assertTrue($host->answer($stream)->done);
        self::assertContains('cleaned', \array_column($host->logs, 3));
    }

    public function testACancellationBehindTheBodysEndIsHeardAtTheNextWait(): void
    {
        $host = self::serving('$request->body(); Async::delay(30); return "";');
        $stream = $host->request('POST', '/', [], null, false);
        $host->raw((new Codec(false))->frame([Frame::DATA, $stream, 1, 'x'])
            . (new Codec(false))->frame([Frame::RESET, $stream, 1, '']));
        self::assertSame([Frame::DONE], $host->answer($stream)->types);
    }

    public function testOnStopMayAskTheHost(): void
    {
        $host = FakeHost::serving('$worker = Worker::create()->concurrency(10); $worker->onRequest(fn () => "")
            ->onStop(fn () => Log::info("n" . $worker->connections()->count()))->run();');
        $host->get();
        $host->send([Frame::DRAIN, 0, 1000]);
        $call = $host->next();
        self::assertSame(Frame::CALL, $call[0]);
        $host->send([Frame::RESULT, $call[1], '', 3]);
        self::assertSame([], $host->next());
        self::assertSame(['n3'], \array_column($host->logs, 3));
        self::assertSame(0, $host->end());
    }

    public function testAnswersGoOutWhileAnotherRequestYieldsAgainAndAgain(): void
    {
        $host = self::serving('if ($request->path === "/quick") { Async::delay(0.001); return "quick"; }
            for (;;) { Async::delay(0); }');
        $long = $host->request('GET', '/long');
        $host->request('GET', '/quick');
        self::assertFalse($host->silent(5.0));
        $host->send([Frame::RESET, $long, 1, '']);
        self::assertTrue($host->answer($long)->done);
    }

    public function testATimeThatIsBelowNoneOrBeyondAllIsTakenForNoneOrForLong(): void
    {
        $host = self::serving('[$a, $b] = stream_socket_pair(1, 1, 0); $late = [Async::readable($a, -1.0)];
            $last = new class ($a, $late) { function __construct(private $a, public &$late) {}
                function __destruct() { $this->late[] = Async::readable($this->a, -1.0); } }; unset($last);
            [$late[]] = Async::all([fn () => Async::readable($a, INF), function () use ($b) {
                Async::delay(0.01); fwrite($b, "x"); }]); return $late;');
        self::assertSame('[false,false,true]', $host->get()->body);
    }

    public function testWhatPhpHasReadAlreadyNeedsNoWaitInALoopThatSeesDescriptors(): void
    {
        [$a, $b] = \stream_socket_pair(\DIRECTORY_SEPARATOR === '/' ? \STREAM_PF_UNIX : \STREAM_PF_INET,
            \STREAM_SOCK_STREAM, 0);
        \fwrite($b, "one\ntwo\n");
        self::assertSame("one\n", \fgets($a));
        $reactor = $this->createMock(Reactor::class);
        $reactor->method('lends')->willReturn(true);
        $reactor->expects(self::never())->method('readable');
        $property = new \ReflectionProperty(Scheduler::class, 'reactor');
        $before = $property->getValue();
        $property->setValue(null, $reactor);
        try {
            self::assertTrue(Async::readable($a));
        } finally {
            $property->setValue(null, $before);
        }
    }
}
