<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Worker::every(). */
final class TimersTest extends TestCase
{
    private static function serving(string $body, float $seconds = 0.02): FakeHost
    {
        return FakeHost::serving("\$worker = Worker::create(); \$worker->every($seconds, function () use (\$worker) "
            . "{ static \$n = 0; \$n++; $body })->onRequest(fn (Request \$r) => \$r->target)->run();");
    }

    public function testTicksComeAgainAndAgainAndWhatTheyDoGoesAtOnce(): void
    {
        $host = self::serving('$worker->connections()->sendToAll("tick $n"); $worker->connections()->join("x", "g");');
        foreach ([1, 2, 3] as $n) {
            self::assertSame([Frame::SEND, 0, 0, 4, [], "tick $n", []], $host->next());
            self::assertSame([Frame::JOIN, 0, 0, 'x', ['g'], null], $host->next());
        }
    }

    public function testALongMessageOfATickGoesInParts(): void
    {
        $host = self::serving('$worker->connections()->sendToAll(str_repeat("x", 70000));');
        self::assertSame([Frame::SEND, 0, 16, 65536],
            array_values(array_intersect_key(array_map(fn ($e) => is_string($e) ? strlen($e) : $e, $host->next()),
                [0 => 1, 1 => 1, 2 => 1, 5 => 1])));
        self::assertSame([Frame::SEND, 0, 0, 4464],
            array_values(array_intersect_key(array_map(fn ($e) => is_string($e) ? strlen($e) : $e, $host->next()),
                [0 => 1, 1 => 1, 2 => 1, 5 => 1])));
    }

    public function testTicksComeBetweenRequestsToo(): void
    {
        $host = self::serving('Log::info("tick");', seconds: 0.001);
        $until = microtime(true) + 0.2;
        while (microtime(true) < $until) {
            self::assertSame('/x', $host->get('GET', '/x')->body);
        }
        self::assertGreaterThan(5, count($host->logs));
        self::assertSame(0, $host->logs[0][1]);
    }

    public function testTicksThatWereMissedAreNotMadeUpFor(): void
    {
        $host = self::serving('usleep($n === 1 ? 300_000 : 0); Log::info("tick " . (int) (microtime(true) * 1000)); '
            . '$n === 3 && $worker->connections()->sendToAll("three");', seconds: 0.05);
        $host->next();
        $at = array_map(fn (array $log): int => (int) substr($log[3], 5), $host->logs);
        self::assertGreaterThanOrEqual(45, $at[1] - $at[0]);
        self::assertGreaterThanOrEqual(95, $at[2] - $at[0]);
    }

    public function testATickThatThrowsIsLoggedAndComesAgain(): void
    {
        $host = self::serving(
            'if ($n === 1) { throw new Exception("once"); } $worker->connections()->sendToAll("tick $n");');
        self::assertSame('tick 2', $host->next()[5]);
        self::assertStringContainsString('every(): Exception: once', $host->logs[0][3]);
    }

    public function testATimerKeepsNoWorkerFromDraining(): void
    {
        $host = self::serving('', seconds: 3600.0);
        self::assertSame('/x', $host->get('GET', '/x')->body);
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([], $host->next());
        self::assertSame(0, $host->end());
    }

    public function testTheEndOfTheHostEndsAWorkerThatWaitsForATimer(): void
    {
        self::assertSame(0, self::serving('', seconds: 3600.0)->end());
    }

    public function testPingIsAnsweredBetweenTicks(): void
    {
        $host = self::serving('', seconds: 3600.0);
        $host->send([Frame::PING, 0, 7]);
        self::assertSame([Frame::PONG, 0, 7], $host->next());
    }

    public function testAFrameThatComesInPartsIsWaitedFor(): void
    {
        $host = self::serving('');
        $frame = (new \WorkerHost\Internal\Codec(false))
            ->frame([Frame::REQUEST, 1, 1, 'GET', '/parts', '1.1', 'http', '', '', []]);
        foreach (str_split($frame, 20) as $part) {
            $host->raw($part);
            usleep(15_000);
        }
        self::assertSame('/parts', $host->next()[5]);
    }

    public function testExitInATickIsSaid(): void
    {
        $host = self::serving('exit;');
        self::assertSame([], $host->next());
        self::assertStringContainsString('this worker ends: the code called exit()', $host->logs[0][3]);
        self::assertSame(['in' => 'every()', 'exit_stands_at' => $host->path('worker.php:3')], $host->logs[0][4]);
    }

    public function testTimersAloneAreAWorker(): void
    {
        $host = FakeHost::serving(
            '$w = Worker::create(); $w->every(0.01, fn () => $w->connections()->sendToAll("x"))->run();');
        self::assertSame('x', $host->next()[5]);
    }

    public function testATimerMayBeginInAHandler(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onRequest(function () use ($w) { $w->every(0.01, fn () '
            . '=> $w->connections()->sendToAll("x")); return "ok"; })->run();');
        self::assertSame('ok', $host->get()->body);
        self::assertSame('x', $host->next()[5]);
    }

    public function testAnIntervalOfNothingIsAMistake(): void
    {
        foreach ([0.0, -1.0, \NAN] as $seconds) {
            try {
                \WorkerHost\Worker::create()->every($seconds, fn () => 1);
                self::fail("every($seconds) was taken");
            } catch (\ValueError $e) {
                self::assertStringContainsString('0.001 seconds or more', $e->getMessage());
            }
        }
    }

    public function testNoErrorHandlerHearsWhatTheSdkSilences(): void
    {
        if (!extension_loaded('pcntl')) {
            self::markTestSkipped('ext-pcntl is not loaded');
        }
        $host = FakeHost::serving(<<<'PHP'
            set_error_handler(function ($n, $m) { throw new ErrorException($m); });
            pcntl_async_signals(true);
            pcntl_signal(SIGALRM, fn () => Log::info('woken'));
            Worker::create()->every(60, fn () => 1)->onRequest(fn () => 'x')->onStop(fn () => file_put_contents(__DIR__ . '/stopped', ''))->run();
            PHP);
        self::assertTrue($host->silent(0.05), 'it waits');
        posix_kill($host->pid, \SIGALRM);
        self::assertSame('woken', $host->nextLog()[3]);
        self::assertSame('x', $host->get()->body);
        self::assertSame(0, $host->end());
        self::assertFileExists($host->path('stopped'));
    }

    public function testAFunctionRunsOnceAfterItsTimeUnlessItIsCancelled(): void
    {
        $host = FakeHost::serving('$worker = Worker::create(); $all = fn (string $text) => $worker->connections()
            ->sendToAll($text); $worker->after(0.03, fn () => $all("second"));
            $worker->after(0, function () use ($worker, $all) { $all("first");
                $worker->after(0.05, fn () => $all("third")); $worker->after(0.02, fn () => $all("no"))->cancel(); });
            $worker->onRequest(fn (Request $r) => $r->target)->run();');
        foreach (['first', 'second', 'third'] as $text) {
            self::assertSame($text, $host->next()[5]);
        }
        self::assertSame('/x', $host->get('GET', '/x')->body);
    }

    public function testAHandlerMayHaveAFunctionRunWhereThereWereNoTimers(): void
    {
        $host = FakeHost::serving('$worker = Worker::create(); $worker->onRequest(function () use ($worker) {
            $worker->after(0.01, fn () => $worker->connections()->sendToAll("later")); return "now"; })->run();');
        self::assertSame('now', $host->get()->body);
        self::assertSame('later', $host->next()[5]);
        self::assertSame('now', $host->get()->body);
    }
}
