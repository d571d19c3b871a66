<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Many requests in one worker, when it goes wrong. */
final class FibersTroubleTest extends TestCase
{
    private static function serving(string $handler, string $before = ''): FakeHost
    {
        return FakeHost::serving("$before \$worker = Worker::create()->concurrency(100); \$worker->onRequest(
            function (Request \$request) use (\$worker) { $handler })->run();");
    }

    /** @return iterable<string, array{string, string}> */
    public static function refused(): iterable
    {
        $handler = '->onRequest(fn () => "")';
        yield 'superglobals' => ["->superglobals()$handler", 'one $_GET'];
        yield 'capture' => ["->superglobals(capture: true)$handler", 'capture: true'];
        yield 'a bridge' => ['->onRequest(new class () implements WorkerHost\Internal\WebCode {
            function start(): void {} function stop(): void {} function __invoke(Request $r): mixed { return ""; } })',
            'the bridge'];
    }

    /** @dataProvider refused */
    public function testWhatCanNotBeKeptApartIsRefusedAtTheStart(string $code, string $why): void
    {
        $host = new FakeHost("Worker::create()->concurrency(2){$code}->run();");
        $host->hello();
        $failed = $host->next();
        self::assertSame(Frame::FAILED, $failed[0]);
        self::assertStringContainsString($why, $failed[2]);
        self::assertStringContainsString('write more workers', $failed[2]);
        self::assertSame(1, $host->end());
    }

    public function testAConcurrencyOfOneIsAsWithoutIt(): void
    {
        $host = FakeHost::serving('Worker::create()->concurrency(1)->superglobals()->onRequest(
            fn () => $_GET["a"])->run();');
        self::assertSame([1, 'b'], [$host->ready[5], $host->get('GET', '/?a=b')->body]);
        $this->expectException(\ValueError::class);
        \WorkerHost\Worker::create()->concurrency(0);
    }

    public function testPhpsOwnSessionsAreRefusedWhereOneIsStarted(): void
    {
        $host = self::serving('session_start(); return "";');
        self::assertSame(500, $host->get()->status);
        self::assertStringContainsString('concurrency', $host->logs[0][3]);
        self::assertSame(500, $host->get()->status);
    }

    public function testAWaitWithAnOutputBufferOpenFailsLoudly(): void
    {
        $host = self::serving('if ($request->path !== "/bad") { echo "mine"; return ob_get_contents() . "good"; }
            ob_start(); echo "secret"; Async::delay(0.02); return ob_get_clean();');
        $bad = $host->request('GET', '/bad');
        self::assertSame(500, $host->answer($bad)->status);
        self::assertSame('good', $host->get('GET', '/')->body);
        self::assertStringContainsString('output buffer open', $host->logs[0][3]);
        self::assertSame('secret', $host->printed[$bad]);
    }

    public function testExitIsAnsweredAndOnlyThatOfTheRequestThatCalledIt(): void
    {
        $host = self::serving('if ($request->path === "/exit") { Async::delay(0.02); exit(0); } Async::delay(30);
            return "";');
        $waits = $host->request('GET', '/waits');
        $exit = $host->request('GET', '/exit');
        $answer = $host->answer($exit);
        self::assertSame([500, true], [$answer->status, $answer->done]);
        self::assertSame($exit, $host->begun);
        self::assertTrue($host->answer($waits)->died);
        $error = \array_values(\array_filter($host->logs, static fn (array $log): bool => $log[2] === 'error'))[0];
        self::assertSame([$exit, '/exit'], [$error[1], $error[4]['target']]);
        self::assertSame(1, $error[4]['others']);
    }

    public function testAFatalErrorAmongSeveralNamesNone(): void
    {
        $host = self::serving('if ($request->path === "/fatal") { Async::delay(0.02); ini_set("memory_limit", "16M");
            str_repeat("x", 100000000); } Async::delay(30); return "";');
        $waits = $host->request('GET', '/waits');
        $fatal = $host->request('GET', '/fatal');
        self::assertTrue($host->answer($fatal)->died);
        self::assertSame([], $host->next());
        $error = \array_values(\array_filter($host->logs, static fn (array $log): bool => $log[2] === 'error'))[0];
        self::assertSame([0, 2], [$error[1], $error[4]['others']]);
        self::assertSame($fatal, $host->begun);
        self::assertSame(255, $host->end());
        unset($waits);
    }

    public function testAFatalErrorOfTheOneAtHandIsAnswered(): void
    {
        $host = self::serving('Async::delay(0.01); ini_set("memory_limit", "16M"); str_repeat("x", 100000000);');
        self::assertSame(500, $host->get()->status);
        self::assertSame(255, $host->end());
    }

    public function testTheEndOfItsInputEndsTheWorkerAndItsWaits(): void
    {
        $host = self::serving('if ($request->path === "/quick") { return ""; } try { Async::delay(30); } finally { file_put_contents($request->query["to"], "finally"); }');
        $host->request('GET', '/?to=' . $host->path('told'));
        $host->get('GET', '/quick');
        $host->end();
        self::assertSame('finally', file_get_contents($host->path('told')));
        self::assertSame(0, $host->exitCode);
    }

    public function testWhatIsUnderWayIsFinishedThoughTheInputEndsAfterDrain(): void
    {
        $host = self::serving('Async::delay(0.05); return "done";');
        $stream = $host->request();
        $host->send([Frame::DRAIN, 0, 1000]);
        $host->endInput();
        self::assertSame('done', $host->answer($stream)->body);
        self::assertSame(0, $host->end());
    }

    public function testADestructorThatAsksTheHostHoldsUpTheWorkerForAMoment(): void
    {
        $host = self::serving('$last = new class ($worker) { function __construct(private $worker) {}
            function __destruct() { Log::info("n" . $this->worker->connections()->count()); Async::delay(0.01); } };
            unset($last); return "done";');
        $stream = $host->request();
        $call = $host->next();
        self::assertSame(Frame::CALL, $call[0]);
        $other = $host->request();
        $host->send([Frame::RESULT, $call[1], '', 3]);
        self::assertSame('done', $host->answer($stream)->body);
        $host->send([Frame::RESULT, $host->next()[1], '', 4]);
        self::assertSame('done', $host->answer($other)->body);
        self::assertSame(['n3', 'n4'], \array_column($host->logs, 3));
    }

    public function testAFiberOfTheCodesOwnCanReadButNotWait(): void
    {
        $host = self::serving('$f = new Fiber(function () use ($request) { $body = $request->body();
            try { Async::delay(0.01); } catch (Error $e) { return $body . " " . $e->getMessage(); } });
            $f->start(); return $f->isTerminated() ? $f->getReturn() : "it was suspended";');
        $stream = $host->request('POST', '/', [], null, false);
        $host->send([Frame::DATA, $stream, 1, 'whole']);
        self::assertStringStartsWith('whole A fiber that the code has made itself', $host->answer($stream)->body);
    }

    public function testADescriptorAboveWhatSelectTakesIsRefusedByName(): void
    {
        $limit = \function_exists('posix_getrlimit') ? \posix_getrlimit()['hard openfiles'] : 0;
        if ($limit !== 'unlimited' && $limit < 1500) {
            self::markTestSkipped("no more than $limit files may be open");
        }
        $host = self::serving('static $open = []; while (count($open) < 1100) {
            $open[] = $pair = stream_socket_pair(1, 1, 0); } foreach ($open as $pair) { if (!$pair) { return "limit"; } }
            try { Async::readable(end($open)[0]); } catch (Error $e) { return $e->getMessage(); }',
            'posix_setrlimit(POSIX_RLIMIT_NOFILE, 4096, -1) || posix_setrlimit(POSIX_RLIMIT_NOFILE, 4096, 4096);');
        self::assertMatchesRegularExpression('/^Descriptor 2\d\d\d can not be waited for.*ext-ev/', $host->get()->body);
        self::assertMatchesRegularExpression('/^Descriptor 2\d\d\d can not be waited for/', $host->get()->body);
    }

    public function testAsyncWaitsWithoutConcurrencyToo(): void
    {
        $host = FakeHost::serving('Worker::create()->onStart(fn () => Async::delay(0.001))->onRequest(function () {
            Async::delay(0.001); [$a, $b] = stream_socket_pair(1, 1, 0);
            $late = Async::readable($a, 0.001); fwrite($b, "x"); $ready = Async::readable($a);
            return [Async::all(["x" => function () { Async::delay(0.02); return 1; }, "y" => fn () => 2]), $late, $ready,
                Async::writable($b, 1.0)]; })->run();');
        self::assertSame('[{"x":1,"y":2},false,true,true]', $host->get()->body);
    }

    public function testRequestsThatComeWhileOneIsBusyBeginOnceItWaits(): void
    {
        $host = self::serving('if ($request->path === "/busy") { while (!$request->isCancelled()) { } return ""; }
            return "quick";');
        $busy = $host->request('GET', '/busy');
        $quick = $host->request('GET', '/quick');
        $host->send([Frame::RESET, $busy, 1, '']);
        self::assertTrue($host->answer($busy)->done);
        self::assertSame('quick', $host->answer($quick)->body);
    }

    public function testWhatComesForARequestThatCanNotBeginYetIsKeptForIt(): void
    {
        $host = self::serving('if ($request->path === "/busy") { while (!$request->isCancelled()) { } return ""; }
            Log::info("began"); return $request->body();');
        $busy = $host->request('GET', '/busy');
        $post = $host->request('POST', '/post', [], 'one', false);
        $host->send([Frame::DATA, $post, 0, 'two']);
        $host->send([Frame::DATA, $post, 1, 'three']);
        $host->send([Frame::RESET, $busy, 1, '']);
        self::assertTrue($host->answer($busy)->done);
        self::assertSame('onetwothree', $host->answer($post)->body);
    }

    /** @return iterable<string, array{int, list<int>}> */
    public static function resets(): iterable
    {
        yield 'given up' => [Frame::CODE_CANCELLED, [Frame::DONE]];
        yield 'recalled' => [Frame::CODE_RECALLED, [Frame::RESET, Frame::DONE]];
    }

    /** @dataProvider resets @param list<int> $answer */
    public function testARequestThatIsGivenUpBeforeItCouldBeginNeverBegins(int $code, array $answer): void
    {
        $host = self::serving('if ($request->path === "/busy") { while (!$request->isCancelled()) { } return ""; }
            Log::info("began"); return "";');
        $busy = $host->request('GET', '/busy');
        $given = $host->request('GET', '/given');
        $host->send([Frame::RESET, $given, $code, '']);
        $host->send([Frame::RESET, $busy, 1, '']);
        self::assertSame($answer, \array_column($host->done($given), 0));
        self::assertTrue($host->answer($busy)->done);
        self::assertNotContains('began', \array_column($host->logs, 3));
    }

    public function testALinkErrorEndsTheWorker(): void
    {
        $host = self::serving('Async::delay(30); return "";');
        $host->request();
        $host->send([Frame::DATA, 99, 1, 'late']); // of no stream that is open: dropped
        $host->send([Frame::HELLO, 0, [1], 'again', 1, 0]);
        self::assertSame([], $host->next());
        self::assertSame(1, $host->end());
        self::assertStringContainsString('HELLO once', $host->log());
    }

    public function testAThousandRequestsAtOnceAreEachAnswered(): void
    {
        $host = FakeHost::serving('Worker::create()->concurrency(1000)->onRequest(function (Request $request) {
            Async::delay(0.2); return $request->path; })->run();');
        $streams = [];
        for ($i = 0; $i < 1000; $i++) {
            $streams[$host->request('GET', "/$i")] = "/$i";
        }
        for ($i = 0; $i < 1000; $i++) {
            $message = $host->next();
            self::assertSame($streams[$message[1]], $message[5]);
            unset($streams[$message[1]]);
        }
        self::assertSame([], $streams);
    }

    public function testARequestThatWaitsTakesTwelveKibibytes(): void
    {
        if (!\is_readable('/proc/self/status')) {
            self::markTestSkipped('only Linux tells');
        }
        $host = FakeHost::serving('Worker::create()->concurrency(2000)->onRequest(function (Request $request) {
            if ($request->path === "/rss") { return preg_replace("/.*VmRSS:\s+(\d+).*/s", "$1",
                file_get_contents("/proc/self/status")); }
            Async::delay(30); })->run();');
        $before = (int) $host->get('GET', '/rss')->body;
        for ($i = 0; $i < 1500; $i++) {
            $host->request('GET', '/wait');
        }
        self::assertLessThan(12.0, ((int) $host->get('GET', '/rss')->body - $before) / 1500);
    }

    public function testRequestsThatPhpHasNoStackForAreGivenBackAndOthersGoOn(): void
    {
        $host = self::serving('if ($request->path === "/") { ini_set("fiber.stack_size", PHP_INT_MAX - 65536); }
            Async::delay(0.1); return $request->path;');
        $answered = $refused = 0;
        $host->request();
        for ($i = 0; $i < 40; $i++) {
            $host->request('GET', "/$i");
        }
        while ($answered + $refused < 41) {
            $message = $host->next();
            if ($message[0] === Frame::RESET) {
                self::assertSame(Frame::CODE_REFUSED, $message[2]);
                self::assertStringStartsWith('Fiber stack', $message[3]);
                self::assertSame([Frame::DONE, $message[1]], $host->next());
                $refused++;
            } else {
                $answered++;
            }
        }
        self::assertGreaterThan(0, $refused);
        self::assertGreaterThan(0, $answered);
        self::assertSame('/more', $host->get('GET', '/more')->body);
    }

    public function testWhatCanNotBeCalledStartsNoneOfTheFunctions(): void
    {
        $host = self::serving('try { Async::all([function () { Log::info("began"); Async::delay(0.01); }, "nosuch"]); }
            catch (Error $e) { return get_class($e); }');
        self::assertSame('Error', $host->get()->body);
        self::assertSame([], $host->logs);
    }

    public function testAFunctionThatLeavesAnOutputBufferEndsItsGroupNotBeforeTheOthers(): void
    {
        $host = self::serving('try { Async::all([
            function () { try { Async::delay(30); } finally { Log::info("cleaned"); } },
            function () { ob_start(); echo "left"; }]); } catch (LogicException $e) { return "caught"; }');
        $stream = $host->request();
        self::assertSame('caught', $host->answer($stream)->body);
        self::assertSame(['cleaned'], \array_column($host->logs, 3));
        self::assertSame('left', $host->printed[$stream]);
    }

    public function testAFiberOfTheCodesOwnStartsNoFunctionsThatItCanNotWaitFor(): void
    {
        $host = self::serving('$f = new Fiber(function () { try { Async::all([function () { Log::info("began");
            Async::delay(0.01); }]); } catch (Error $e) { return $e->getMessage(); } }); $f->start();
            return $f->getReturn();');
        self::assertStringContainsString('can not wait', $host->get()->body);
        self::assertSame([], $host->logs);
    }

    public function testAFiberThatPhpCanNotStartCancelsTheOthers(): void
    {
        $host = self::serving('try { Async::all([
            function () { try { Async::delay(30); } finally { Log::info("cleaned"); } },
            function () { ini_set("fiber.stack_size", PHP_INT_MAX - 65536); },
            function () { }, ]); } catch (Exception $e) { return $e->getMessage(); }');
        $answer = $host->get();
        self::assertStringStartsWith('Fiber stack', $answer->body);
        self::assertSame(['cleaned'], \array_column($host->logs, 3));
    }

    /** As another event loop's clients wait, which look at no buffer. */
    private const WAIT = '$fiber = Fiber::getCurrent(); $worker->after(0.001, fn () => $fiber->resume());
        ob_start(); echo "secret"; Fiber::suspend();';

    public function testAHandlerThatThrowsAfterAWaitWithABufferOpenFailsAlone(): void
    {
        $host = self::serving('if ($request->path === "/good") { return "good"; } ' . self::WAIT
            . 'throw new DomainException("no");');
        self::assertSame(500, $host->get()->status);
        self::assertSame('good', $host->get('GET', '/good')->body);
        self::assertStringContainsString('output buffer open', $host->logs[0][3]);
    }

    public function testABufferThatIsOpenInAWaitBehindTheHandlerIsOnlyItsOwnRequestsFailure(): void
    {
        $host = self::serving('if ($request->path === "/good") { return "good"; }
            return Response::text("sent")->after(function () use ($worker) { ' . self::WAIT . ' ob_end_clean(); });');
        self::assertSame('sent', $host->get('GET', '/bad')->body);
        self::assertSame(200, $host->get('GET', '/good')->status);
        self::assertSame(['output buffer', '/bad'], [\strstr(\strstr($host->logs[0][3], 'output'), ' open', true),
            $host->logs[0][4]['target']]);
    }

    private static function asking(string $handler, int $most): FakeHost
    {
        return FakeHost::serving("\$worker = Worker::create()->concurrency(100); \$worker->onRequest(
            function (Request \$request) use (\$worker) { \$all = \$worker->connections(); $handler })->run();",
            limits: ['calls', $most]);
    }

    public function testOneThatLeavesWhileItWaitsForRoomToAskKeepsOutNoOther(): void
    {
        $host = self::asking('return "n" . $all->count();', 1);
        [$first, $leaves, $last] = [$host->request(), $host->request(), $host->request()];
        $call = $host->next();
        $host->send([Frame::RESET, $leaves, 1, '']);
        $host->done($leaves);
        $host->send([Frame::RESULT, $call[1], '', 1]);
        self::assertSame('n1', $host->answer($first)->body);
        $host->send([Frame::RESULT, $host->next()[1], '', 2]);
        self::assertSame('n2', $host->answer($last)->body);
    }

    public function testOneThatHasGivenUpBeforeItCouldAskIsNotWokenForIt(): void
    {
        $host = self::asking('if ($request->path !== "/gone") { return "n" . $all->count(); }
            while (!$request->isCancelled()) { usleep(2000); } try { $all->count(); }
            catch (RequestCancelled) { $began = hrtime(true); Async::delay(0.05);
                Log::info(hrtime(true) - $began < 50_000_000 ? "woken" : "waited"); } return "";', 1);
        $first = $host->request();
        $call = $host->next();
        $gone = $host->request('GET', '/gone');
        $host->send([Frame::RESET, $gone, 1, '']);
        $host->send([Frame::RESULT, $call[1], '', 1]);
        $said = [...$host->done($first), ...$host->done($gone)];
        self::assertContains([Frame::DONE, $gone], $said);
        self::assertSame('waited', $host->logs[0][3]);
    }

    public function testAnswersThatComeTogetherEachMakeRoom(): void
    {
        $host = self::asking('return "n" . $all->count();', 3);
        for ($i = 0; $i < 6; $i++) {
            $host->request();
        }
        $results = '';
        for ($i = 0; $i < 3; $i++) {
            $results .= (new Codec(false))->frame([Frame::RESULT, $host->next()[1], '', $i]);
        }
        $host->raw($results);
        $calls = 0;
        for ($i = 0; $i < 6; $i++) {
            $calls += $host->next()[0] === Frame::CALL ? 1 : 0;
        }
        self::assertSame(3, $calls);
    }

    public function testTheEndOfTheLinkEndsWhatWaitsForRoomToAsk(): void
    {
        $host = self::asking('try { $all->count(); } catch (CallFailed $e) { return $e->getMessage(); }', 1);
        [$gone, $waits] = [$host->request(), $host->request()];
        self::assertSame(Frame::CALL, $host->next()[0]);
        $host->send([Frame::RESET, $gone, 1, '']);
        $host->done($gone);
        $host->send([Frame::DRAIN, 0, 1000]);
        $host->endInput();
        self::assertSame('the host is gone', $host->answer($waits)->body);
    }

    public function testADestructorAsksThoughThereIsNoRoomAtFirst(): void
    {
        $host = self::asking('if ($request->path === "/") { return "n" . $all->count(); }
            $last = new class ($all) { function __construct(private $all) {}
            function __destruct() { Log::info("n" . $this->all->count()); } }; unset($last); return "done";', 1);
        $first = $host->request();
        $call = $host->next();
        $second = $host->request('GET', '/destructor');
        self::assertTrue($host->silent(0.02));
        $host->send([Frame::RESULT, $call[1], '', 1]);
        $host->send([Frame::RESULT, $host->next()[1], '', 2]);
        self::assertSame([$second, $first], \array_column($host->done($first), 1));
        self::assertSame('n2', $host->logs[0][3]);
    }

    public function testExitInAFunctionOfSeveralIsItsOwnRequests(): void
    {
        $host = self::serving('if ($request->path === "/exit") { Async::all([fn () => Async::delay(0.01),
            function () { Async::delay(0.02); exit(0); }]); } Async::all([fn () => 1]); Async::delay(30); return "";');
        $waits = $host->request('GET', '/waits');
        $exit = $host->request('GET', '/exit');
        self::assertSame(500, $host->answer($exit)->status);
        self::assertTrue($host->answer($waits)->died);
    }

    public function testTheEndOfTheInputAfterDrainTakesNoProcessor(): void
    {
        if (!\function_exists('getrusage')) {
            self::markTestSkipped('this takes getrusage()');
        }
        $host = self::serving('$spent = fn () => getrusage()["ru_utime.tv_sec"] * 1e6 + getrusage()["ru_utime.tv_usec"]
            + getrusage()["ru_stime.tv_sec"] * 1e6 + getrusage()["ru_stime.tv_usec"]; Async::delay(0.05);
            $began = $spent(); Async::delay(0.5); return (string) ($spent() - $began);');
        $stream = $host->request();
        $host->send([Frame::DRAIN, 0, 1000]);
        $host->endInput();
        self::assertLessThan(50000, (int) $host->answer($stream)->body);
    }

    public function testATickThatWaitsAtAGoodEndIsNoError(): void
    {
        $host = FakeHost::serving('Worker::create()->concurrency(10)->onRequest(fn () => "")
            ->every(0.001, fn () => Async::delay(30))->onStop(fn () => usleep(1000))->run();');
        usleep(20000);
        $host->get();
        $host->send([Frame::DRAIN, 0, 1000]);
        self::assertSame([], $host->next());
        self::assertSame([], $host->logs);
        self::assertSame(0, $host->end());
        self::assertSame('', $host->log());
    }
}
