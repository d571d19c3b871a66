<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** What the code prints is the body, whatever way it takes, or the request fails. */
final class CaptureTest extends TestCase
{
    /** @param list<string> $php */
    private static function printing(string $code, array $php = FakeHost::PHP): FakeHost
    {
        return FakeHost::serving("Worker::create()->superglobals(capture: true)->onRequest(function (Request "
            . "\$request) { $code })->run();", php: $php);
    }

    /** @return iterable<string, array{string, string}> */
    public static function ways(): iterable
    {
        yield 'buffers ended, then a file' => [
            'echo "dropped"; while (ob_get_level()) ob_end_clean(); readfile(__DIR__ . "/file");', 'a file'];
        yield 'buffers ended by their status' => [
            'while (ob_get_status()) { ob_end_clean(); } echo "x", json_encode(ob_get_status(true));', 'x[]'];
        yield 'buffers ended until there is none' => [
            'while (@ob_end_flush()); while (ob_get_clean() !== false); while (@ob_get_flush() !== false); echo "x";',
            'x'];
        yield 'buffers passed on' => ['echo "a"; while (ob_get_level()) ob_end_flush(); echo "b";', 'ab'];
        yield 'flushed' => ['echo "a"; ob_flush(); flush(); echo "b";', 'ab'];
        yield 'flushed without a buffer' => [
            'ob_end_clean(); echo "a"; flush(); @ob_flush(); echo "b"; flush(); flush();', 'ab'];
        yield 'flushed and no more' => ['echo "a"; flush();', 'a'];
        yield 'flushed and empty' => ['flush();', ''];
        yield 'nested' => [
            'echo 1; ob_start(); echo 2; ob_start(); echo 3; $x = ob_get_clean(); echo strrev($x . "4");', '1243'];
        yield 'nested and left' => ['ob_start(); echo "kept"; ob_start(fn ($b) => strtoupper($b)); echo "too";',
            'keptTOO'];
        yield 'nested and flushed' => ['echo 1; ob_start(); echo 2; ob_flush(); flush(); echo 3;', '123'];
        yield 'begun anew' => [
            'ob_end_clean(); ob_start(); echo "a"; ob_end_flush(); ob_start(); echo "b"; ob_clean(); echo "c";', 'ac'];
        yield 'implicit flush' => ['ob_implicit_flush(true); ob_end_flush(); echo "a"; echo "b";', 'ab'];
        yield 'php://output' => ['$o = fopen("php://output", "w"); fwrite($o, "a"); ob_end_flush(); fwrite($o, "b"); '
            . 'file_put_contents("php://output", "c");', 'abc'];
        yield 'a program' => ['ob_end_clean(); passthru("echo from a program");', "from a program\n"];
        yield 'a destructor' => ['$d = new class { function __destruct() { ob_end_flush(); echo "b"; } }; echo "a";',
            'ab'];
        yield 'much, in a buffer' => ['for ($i = 0; $i < 100000; ++$i) { echo "0123456789"; }',
            str_repeat('0123456789', 100000)];
        yield 'much, without one' => ['ob_end_clean(); for ($i = 0; $i < 100000; ++$i) { echo "0123456789"; }',
            str_repeat('0123456789', 100000)];
        yield 'the functions that are ours' => [
            'ob_start(); echo "x"; echo json_encode([ob_get_level(), ob_get_length(), count(ob_get_status(true)), '
                . 'ob_get_status()["level"], ob_get_contents(), connection_aborted(), connection_status()]);',
            'x[2,1,2,1,"x",0,0]',
        ];
    }

    /** @dataProvider ways */
    public function testWhateverWayItTakesItIsTheBody(string $code, string $expected): void
    {
        $host = self::printing($code);
        file_put_contents($host->path('file'), 'a file');
        foreach ([1, 2] as $time) {
            $answer = $host->get();
            self::assertSame([200, $expected, true, null],
                [$answer->status, $answer->body, $answer->ended, $answer->reset], "time $time");
            self::assertSame(['text/html; charset=utf-8'], $answer->headers['content-type']);
        }
        self::assertSame('', $host->log());
    }

    public function testItIsSentWhenItIsFlushed(): void
    {
        foreach (['ob_flush(); flush();', 'flush();', 'ob_flush();', 'while (ob_get_level()) ob_end_flush(); flush();',
            'ob_implicit_flush(); ob_end_flush();'] as $flush) {
            $host = self::printing("Output::header('X-A', 'b'); echo 'a'; $flush while (!is_file(__DIR__ . '/go')) { "
                . "usleep(500); } echo 'b';");
            $stream = $host->request();
            [0 => $type, 2 => $flags, 4 => $headers, 5 => $body] = $host->next();
            self::assertSame([Frame::RESPONSE, 0, ['Content-Type', 'text/html; charset=utf-8', 'X-A', 'b'], 'a'],
                [$type, $flags, $headers, $body], $flush);
            touch($host->path('go'));
            self::assertSame('b', $host->answer($stream)->body);
        }
    }

    public function testWhatIsSentCanNotBeTakenBack(): void
    {
        $host = self::printing('echo "a"; flush(); if ($request->path === "/head") { Output::status(404); return; } '
            . 'if ($request->path === "/throw") { throw new Exception("late"); } return Response::text("another");');
        $answer = $host->get('GET', '/head');
        self::assertSame([200, 'a', true], [$answer->status, $answer->body, $answer->ended]);
        self::assertSame(1, substr_count($host->log(), 'Cannot modify'));
        foreach (['/throw' => 'late', '/other' => 'after its output was sent'] as $path => $why) {
            $answer = $host->get('GET', $path);
            self::assertSame(['a', false, Frame::CODE_INTERNAL], [$answer->body, $answer->ended, $answer->reset],
                $path);
            self::assertStringContainsString($why, end($host->logs)[3]);
        }
        self::assertSame(404, ($host = self::printing('Output::status(404);'))->get()->status);
    }

    public function testHeadGetsNoBodyAndRunsToItsEnd(): void
    {
        $host = self::printing(
            'for ($i = 0; $i < 100; ++$i) { echo str_repeat("x", 8192); flush(); } Log::info("end");');
        $answer = $host->get('HEAD');
        self::assertSame([200, '', true], [$answer->status, $answer->body, $answer->ended]);
        self::assertSame('end', $host->logs[0][3]);
    }

    public function testWhenTheClientLeavesTheCodeIsStopped(): void
    {
        $loop = 'ignore_user_abort(isset($_GET["on"])); try { for ($i = 0; $i < 20000 && (!isset($_GET["on"]) || '
            . '!connection_aborted()); ++$i) { echo "data"; flush(); usleep(1000); } } finally { Log::info("at " . '
                . '($i < 20000 ? "once" : "last") . connection_aborted()); } Log::info("went on");';
        foreach (['/' => ['at once1'], '/?on' => ['at once1', 'went on']] as $target => $expected) {
            $host = self::printing($loop);
            $stream = $host->request('GET', $target);
            self::assertSame(Frame::RESPONSE, $host->next()[0]);
            $host->send([Frame::RESET, $stream, 1]);
            self::assertTrue($host->answer($stream, false)->done);
            self::assertSame($expected, array_values(
                array_filter(array_column($host->logs, 3),
                    static fn (string $l): bool => !str_starts_with($l, 'stopped'))));
            $next = $host->request();
            self::assertSame('data', $host->next()[5], 'the next one is captured as well');
            $host->send([Frame::RESET, $next, 1]);
            self::assertStringNotContainsString('data', $host->log());
        }
    }

    public function testExitIsAnEndLikeAnother(): void
    {
        $host = self::printing('Output::status(201); Output::header("X-A", "b"); register_shutdown_function(function '
            . '() { echo "c"; while (ob_get_level()) ob_end_flush(); echo "d"; }); $GLOBALS["d"] = new class { '
                . 'function __destruct() { echo "e"; } }; echo "a"; exit("b");');
        $answer = $host->get();
        self::assertSame([201, 'abcde', true, ['b']],
            [$answer->status, $answer->body, $answer->ended, $answer->headers['x-a']]);
        self::assertSame(0, $host->end());
        self::assertStringContainsString('the code called exit()', $host->logs[0][3]);
        $host = self::printing('echo "a"; flush(); echo "b"; exit;');
        $answer = $host->get();
        self::assertSame(['ab', true, null], [$answer->body, $answer->ended, $answer->reset]);
    }

    public function testNorIsWhatAFatalErrorCutOffTakenForWhole(): void
    {
        foreach ([
            'echo "half"; ini_set("memory_limit", "16M"); str_repeat("x", 1 << 30);',
            'echo "half"; register_shutdown_function(function () { throw new Exception("fatal"); }); exit;',
        ] as $code) {
            $answer = ($host = self::printing($code))->get();
            self::assertSame(500, $answer->status);
            self::assertStringNotContainsString('half', $answer->body);
            $host->end();
        }
    }

    public function testAChildThatWasForkedPrintsToTheLog(): void
    {
        if (!extension_loaded('pcntl')) {
            self::markTestSkipped('ext-pcntl is not loaded');
        }
        $host = self::printing('echo "a"; flush(); if (($child = pcntl_fork()) === 0) { echo "of the child"; '
            . 'flush(); exit; } pcntl_waitpid($child, $status); echo "b";');
        self::assertSame('ab', $host->get()->body);
        self::assertStringContainsString('of the child', $host->log());
    }

    public function testACallbackThatThrowsFailsItsRequestAlone(): void
    {
        $host = self::printing('if ($request->path === "/throw") { ob_start(function () { throw new Exception("in a '
            . 'callback"); }); } echo "x";');
        $answer = $host->get('GET', '/throw');
        self::assertSame(500, $answer->status);
        self::assertStringContainsString('in a callback', $host->logs[0][3]);
        self::assertSame('x', $host->get()->body);
    }

    public function testABufferThatCanNotBeEndedFailsTheRequestAndEndsTheWorker(): void
    {
        $host = self::printing('ob_start(null, 0, 0); echo "kept";');
        self::assertSame(500, $host->get()->status);
        self::assertStringContainsString('an output buffer that can not be ended', $host->logs[0][3]);
        self::assertSame(0, $host->end());
        $host = FakeHost::serving(
            'Worker::create()->onRequest(function () { ob_start(null, 0, 0); echo "kept"; return "x"; })->run();');
        self::assertSame('x', $host->get()->body);
        self::assertSame(0, $host->end());
        self::assertStringContainsString('kept', $host->log());
    }

    public function testWherePhpWasStartedInAnotherWayItIsTheBodyOrTheRequestFails(): void
    {
        foreach (['ob_flush(); flush();', 'flush();', 'ob_start();',
            'ob_end_clean(); ob_start(); ob_end_flush();'] as $code) {
            $host = self::printing("echo 'a'; $code echo 'b';", FakeHost::OTHER);
            self::assertSame(str_starts_with($code, 'ob_end') ? 'b' : 'ab', $host->get()->body, $code);
        }
        $host = self::printing('$request->path === "/end" && print("x"); while (ob_get_level()) { ob_end_clean(); } '
            . 'if ($request->path === "/end") { echo "lost"; } else { return Response::text("y"); }', FakeHost::OTHER);
        self::assertSame('y', $host->get()->body);
        $answer = $host->get('GET', '/end');
        self::assertSame([500, 1], [$answer->status, substr_count($host->log(), 'lost')]);
        self::assertStringContainsString('-d disable_functions=ob_get_level,', $host->logs[0][3]);
        self::assertStringContainsString('worker.php:', $host->logs[0][3]);
    }

    public function testTheHostTakesAwayWhatTheSdkDefines(): void
    {
        $taken = explode(',', explode('=', FakeHost::PHP[count(FakeHost::PHP) - 1])[1]);
        self::assertSame($taken, \WorkerHost\Internal\Printed::FUNCTIONS);
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => array_map(fn ($f) => (new '
            . 'ReflectionFunction($f))->isInternal(), json_decode($_SERVER["argv"][1] ?? "[]")))->run();');
        self::assertSame('[]', $host->get()->body);
        if (is_file($go = __DIR__ . '/../../host/internal/php/php.go')) {
            self::assertStringContainsString('"' . implode(',', $taken) . '"',
                (string) preg_replace('/" \+\s+"/', '', (string) file_get_contents($go)), 'php.go names the same');
        }
    }
}
