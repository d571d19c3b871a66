<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Tests\Support\FakeHost;

/** Nothing that user code prints can corrupt the wire, and all of it is in the log. */
final class StrayOutputTest extends TestCase
{
    private const NOISE = <<<'PHP'
        echo "top\n";
        Worker::create()
            ->onStart(function () { echo "start\n"; })
            ->onRequest(function (Request $request) {
                echo "echo\n"; print_r(['print_r']); var_dump('dump'); trigger_error('warned', E_USER_WARNING);
                system('echo system'); @fwrite(STDOUT, "fwrite\n"); file_put_contents('php://output', "output\n");
                ob_start(); echo "left in a buffer\n";
                return Response::text(getenv('WORKERHOST_FRAMES') === false && !isset($_SERVER['WORKERHOST_FRAMES']) ? 'clean' : 'announced');
            })
            ->onStop(function () { echo "stop\n"; })
            ->run();
        PHP;

    public function testWhatIsPrintedNeverReachesTheWire(): void
    {
        $host = FakeHost::serving(self::NOISE);
        self::assertSame('clean', $host->get()->body);
        self::assertSame('clean', $host->get()->body);
        foreach (['top', 'start', 'echo', 'print_r', 'dump', 'warned', 'system', 'fwrite', 'output',
            'left in a buffer'] as $text) {
            self::assertStringContainsString($text, $host->log(), 'before the worker ends');
        }
        self::assertSame(0, $host->end());
        self::assertStringContainsString('stop', $host->log());
    }

    public function testNorWhereTheWireIsStandardOutput(): void
    {
        $code = str_replace(['echo "top\n";', '@fwrite(STDOUT, "fwrite\n");'], '', self::NOISE);
        $host = FakeHost::serving($code, announced: false);
        self::assertSame('clean', $host->get()->body);
        foreach (['start', 'echo', 'print_r', 'dump', 'warned', 'output', 'left in a buffer'] as $text) {
            self::assertStringContainsString($text, $host->log());
        }
        self::assertSame(0, $host->end());
    }

    public function testWhatIsPrintedBeforeRunGoesAheadOfTheMagic(): void
    {
        $host = FakeHost::serving('echo "early"; Worker::create()->onRequest(fn () => "x")->run();', announced: false);
        self::assertSame('x', $host->get()->body);
    }

    public function testPhpDoesNotTakeItForTheEndOfTheHeaders(): void
    {
        $host = FakeHost::serving('echo 1; Worker::create()->onRequest(function (Request $request) { if '
            . '($request->path === "/end") { while (ob_get_level() > 0) { ob_end_clean(); } } else { echo "noise\n"; '
                . 'flush(); } return [headers_sent(), ob_get_level()]; })->run();');
        foreach (['/' => '[true,0]', '/end' => '[true,0]', '/again' => '[true,0]'] as $path => $expected) {
            self::assertSame($expected, $host->get('GET', $path)->body,
                'what was printed before run() is beyond recall');
        }
        $host = FakeHost::serving('Worker::create()->onRequest(function () { while (ob_get_level() > 0) { '
            . 'ob_end_clean(); } echo "noise\n"; flush(); system("echo more"); return [headers_sent()]; })->run();');
        self::assertSame('[false]', $host->get()->body);
        self::assertSame('[false]', $host->get()->body);
        self::assertStringContainsString("noise\nmore\nnoise\nmore", $host->log());
    }

    public function testReadingStandardInputFindsNothingOfTheWire(): void
    {
        $code = 'Worker::create()->onRequest(fn () => ["in" => file_get_contents("php://stdin")])->run();';
        foreach ([true, false] as $announced) {
            $host = FakeHost::serving($code, $announced);
            self::assertSame('{"in":""}', $host->get()->body);
            self::assertSame(200, $host->get()->status);
        }
    }

    public function testRunByHandItSaysHowToStartIt(): void
    {
        foreach (['/dev/null', 'pipe'] as $input) {
            $process = proc_open(
                [\PHP_BINARY, __DIR__ . '/../../examples/hello-php/worker.php'],
                [$input === 'pipe' ? ['pipe', 'r'] : ['file', $input, 'r'], ['pipe', 'w'], ['pipe', 'w']],
                $pipes,
            );
            self::assertIsResource($process);
            if ($input === 'pipe') {
                fclose($pipes[0]);
            }
            self::assertSame('', stream_get_contents($pipes[1]));
            self::assertStringContainsString('host serve ', (string) stream_get_contents($pipes[2]));
            self::assertSame(64, proc_close($process));
        }
    }

    public function testTextInPlaceOfFramesIsShown(): void
    {
        $host = new FakeHost('Worker::create()->onRequest(fn () => "x")->run();', announced: false);
        $host->raw("GET / HTTP/1.1\r\n\r\n");
        self::assertSame(1, $host->end());
        self::assertStringContainsString('GET / HTTP/1.1', $host->log());
    }

    public function testWhatIsPrintedBelongsToTheRequestAtHand(): void
    {
        $host = FakeHost::serving('
            Worker::create()->onStart(function () { echo "boot"; })
                ->onRequest(function (Request $request) {
                    echo "no end of $request->path";
                    if ($request->path === "/after") {
                        $body = function () { echo "in a generator"; yield "x"; };
                        return Response::stream($body)->after(function () { echo ", after"; });
                    }
                    if ($request->path === "/throws") { ob_start(); echo ", left"; throw new RuntimeException("no"); }
                    return "x";
                })
                ->onMessage(function (Connection $c, string $m) { echo "message $m"; })
                ->run();
        ');
        foreach (['/one', '/two', '/after', '/throws'] as $path) {
            $host->get('GET', $path);
        }
        $host->deliver('hello');
        self::assertSame([
            0 => 'boot', 1 => 'no end of /one', 3 => 'no end of /two', 5 => 'no end of /afterin a generator, after',
            7 => 'no end of /throws, left', 9 => 'message hello',
        ], $host->printed);
    }

    public function testWhatIsPrintedWhileAFrameIsOnItsWayStaysOutOfIt(): void
    {
        if (!\extension_loaded('pcntl') || !\extension_loaded('posix')) {
            self::markTestSkipped('needs pcntl and posix');
        }
        // Alarms by the thousand, each of which prints, cut into writes that are longer than a pipe holds.
        $host = FakeHost::serving('
            pcntl_async_signals(true);
            $signals = 0;
            pcntl_signal(SIGUSR1, function () use (&$signals) { $signals++; echo "signal\n"; Log::info("entry"); });
            Worker::create()->onRequest(function () use (&$signals) {
                $parent = getmypid();
                $child = pcntl_fork();
                if ($child === 0) {
                    for ($i = 0; $i < 200; $i++) { posix_kill($parent, SIGUSR1); usleep(500); }
                    posix_kill(getmypid(), SIGKILL);
                }
                while ($signals === 0) { usleep(100); } // until the child runs: a busy machine has it wait
                return Response::stream(function () { for ($i = 0; $i < 64; $i++) { yield str_repeat("b", 65536); } });
            })->run();
        ');
        $answer = $host->get();
        self::assertSame(64 * 65536, \strlen($answer->body));
        self::assertStringContainsString("signal\n", $host->log());
        self::assertNotSame([], $host->logs);
    }

    public function testAChildThatPrintsWritesNoFrames(): void
    {
        if (!\extension_loaded('pcntl')) {
            self::markTestSkipped('needs pcntl');
        }
        $host = FakeHost::serving('
            Worker::create()->onRequest(function () {
                if (($child = pcntl_fork()) === 0) {
                    echo str_repeat("child ", 20000), "\n";
                    Log::info("entry of the child");
                    posix_kill(getmypid(), SIGKILL);
                }
                for ($i = 0; $i < 200; $i++) { echo str_repeat("parent ", 1000), "\n"; }
                pcntl_waitpid($child, $status);
                return "x";
            })->run();
        ');
        self::assertSame('x', $host->get()->body);
        self::assertStringNotContainsString('child', $host->printed[1]);
        self::assertStringContainsString('child', $host->log());
        self::assertStringContainsString('entry of the child', $host->log());
        self::assertSame([], $host->logs);
    }

    public function testAWarningComesOnceHoweverPhpWasStarted(): void
    {
        $code = 'Worker::create()->onRequest(function () { trigger_error("careful", E_USER_WARNING); return "x"; '
            . '})->run();';
        foreach ([['stderr', '1'], ['1', '1'], ['0', '1'], ['stderr', '0']] as [$display, $log]) {
            $php = ["display_errors=$display", "log_errors=$log", 'error_log=', 'html_errors=0'];
            $host = FakeHost::serving($code,
                php: array_merge(...array_map(static fn (string $s): array => ['-d', $s], $php)));
            $host->get();
            self::assertSame(1, substr_count($host->log(), 'Warning:'), "with $php[0] and $php[1]: " . $host->log());
        }
    }

    public function testPhpThatHasWrittenItselfServesNoOtherRequest(): void
    {
        $code = 'Worker::create()->onRequest(function (Request $request) {
            if ($request->path === "/past") {
                while (ob_get_level() > 0) { ob_end_clean(); }
                echo "past all buffers\n";
            }
            header("X-A: b");
            return "x";
        })->run();';
        $host = FakeHost::serving($code, php: ['-d', 'display_errors=stderr', '-d', 'log_errors=0']);
        $host->get('GET', '/');
        $host->get('GET', '/past');
        self::assertSame([], $host->next(), 'the worker has ended');
        self::assertSame(0, $host->end());
        self::assertSame(1, substr_count($host->log(), 'Cannot modify header information'));
        self::assertStringContainsString('this worker ends: the code has ended an output buffer', $host->logs[0][3]);
    }

    public function testFieldsThatNoFrameHoldsAreLeftOut(): void
    {
        $code = 'Worker::create()->onRequest(function () {
            Log::info("large", array_fill(0, 300, str_repeat("x", 65536)));
            return "x";
        })->run();';
        $host = FakeHost::serving($code);
        self::assertSame('x', $host->get()->body);
        self::assertSame(['info', 'large'], \array_slice($host->logs[0], 2, 2));
        self::assertStringContainsString('LOG is', $host->logs[0][4]['fields_left_out']);
    }

    public function testMuchThatIsPrintedAtOnceComesInPieces(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(function () { echo str_repeat("x", 200000); return "x"; })->run();');
        self::assertSame('x', $host->get()->body);
        self::assertSame(str_repeat('x', 200000), $host->printed[1]);
    }
}
