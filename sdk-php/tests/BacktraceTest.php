<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Tests\Support\FakeHost;

/**
 * Where the code stands, on SIGUSR2 (SPEC.md §8.4).
 *
 * @requires extension pcntl
 * @requires extension posix
 */
final class BacktraceTest extends TestCase
{
    public function testCodeThatGoesRoundInCirclesSaysWhere(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { function spin(string $secret) '
            . '{ Log::info("off"); for (;;) { strlen($secret); } } spin("hunter2"); })->run();');
        $host->request();
        self::assertSame('off', $host->nextLog()[3]);
        \posix_kill($host->pid, \SIGUSR2);
        $trace = $host->nextLog()[4]['backtrace'];
        self::assertMatchesRegularExpression('/^#\d+ \S+:\d+ in \S*spin\(\)$/m', $trace);
        self::assertStringNotContainsString('hunter2', $trace);
        \posix_kill($host->pid, \SIGKILL);
    }

    public function testAnIdleWorkerAnswersAndGoesOn(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => "well")->run();');
        self::assertContains('backtrace', $host->ready[6]);
        for ($i = 0; $i < 50; ++$i) {
            \posix_kill($host->pid, \SIGUSR2);
            self::assertSame('well', $host->get()->body);
        }
        self::assertSame(0, $host->end());
    }

    /**
     * The signal comes while one frame after another is written, and the host reads slowly: all of them arrive whole.
     */
    public function testABacktraceNeverBreaksIntoAFrame(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::stream(function () { for ($i = 0; '
            . '$i < 100; ++$i) { yield str_repeat("x", 60000); } }))->run();');
        $stream = $host->request();
        for ($i = 0; $i < 20; ++$i) {
            \posix_kill($host->pid, \SIGUSR2);
            \usleep(2000);
        }
        self::assertSame(6_000_000, \strlen($host->answer($stream)->body));
        self::assertContains('backtrace', \array_column($host->logs, 3));
        self::assertSame(0, $host->end());
    }

    public function testAWorkerWhoseCodeTakesTheSignalOffersNothing(): void
    {
        $host = FakeHost::serving('Worker::create()->onStart(function () { pcntl_signal(SIGUSR2, function () {}); '
            . '})->onRequest(fn () => "ok")->run();');
        self::assertNotContains('backtrace', $host->ready[6]);
        self::assertSame(0, $host->end());
    }
}
