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
        foreach (['top', 'start', 'echo', 'print_r', 'dump', 'warned', 'system', 'fwrite', 'output', 'left in a buffer'] as $text) {
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
        $host = FakeHost::serving('echo 1; Worker::create()->onRequest(function (Request $request) { if ($request->path === "/end") { while (ob_get_level() > 0) { ob_end_clean(); } } else { echo "noise\n"; flush(); } return [headers_sent(), ob_get_level()]; })->run();');
        foreach (['/' => '[true,0]', '/end' => '[true,0]', '/again' => '[true,0]'] as $path => $expected) {
            self::assertSame($expected, $host->get('GET', $path)->body, 'what was printed before run() is beyond recall');
        }
        $host = FakeHost::serving('Worker::create()->onRequest(function () { while (ob_get_level() > 0) { ob_end_clean(); } echo "noise\n"; flush(); system("echo more"); return [headers_sent()]; })->run();');
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
}
