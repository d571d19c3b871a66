<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** What a handler may return, and what happens when it does not. */
final class HandlerTest extends TestCase
{
    /** @requires extension pcntl */
    public function testAForkedChildThatReturnsTakesNoRequests(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(function (Request $request) {
                if ($request->path === '/plain') { return 'of ' . getmypid(); }
                $child = pcntl_fork();
                if ($child === 0 && $request->path === '/throw') { throw new Exception('in the child'); }
                if ($child === 0) { return 'of the child'; }
                pcntl_waitpid($child, $status);
                return pcntl_wexitstatus($status) . ' of ' . getmypid();
            })->run();
            PHP);
        $parent = $host->get('GET', '/plain')->body;
        foreach (['/fork', '/throw'] as $path) {
            self::assertSame("1 $parent", $host->get('GET', $path)->body);
            self::assertSame($parent, $host->get('GET', '/plain')->body);
        }
        self::assertStringContainsString('end it with exit()', $host->log());
    }

    public function testAllOfTheSdkIsLoadedBeforeTheFirstRequest(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => get_included_files())->run();');
        $loaded = json_decode($host->get()->body, true);
        $source = dirname(__DIR__) . '/src';
        foreach (glob("$source/{Http,Internal}/*.php", GLOB_BRACE) as $file) {
            self::assertContains(realpath($file), $loaded,
                'a new SDK in its place would be mixed with the one that runs');
        }
    }

    public function testAHandlerMayReturnSeveralThings(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(fn (Request $request) => match ($request->path) {
                '/response' => new Response(201, ['X-One' => 'a', 'X-Two' => ['b', 'c']], 'made'),
                '/string' => '<p>html</p>',
                '/array' => ['a' => 1, 'b' => ['ü/']],
                '/null' => null,
                '/object' => new stdClass,
            })->run();
            PHP);
        $answer = $host->get('GET', '/response');
        self::assertSame([201, 'made', ['content-type' => ['text/html; charset=utf-8'], 'x-one' => ['a'],
            'x-two' => ['b', 'c']]], [$answer->status, $answer->body, $answer->headers]);
        self::assertSame([Frame::RESPONSE], $answer->types, 'one frame');
        $answer = $host->get('GET', '/string');
        self::assertSame(['<p>html</p>', ['text/html; charset=utf-8']],
            [$answer->body, $answer->headers['content-type']]);
        $answer = $host->get('GET', '/array');
        self::assertSame(['{"a":1,"b":["ü/"]}', ['application/json']],
            [$answer->body, $answer->headers['content-type']]);
        self::assertSame(204, $host->get('GET', '/null')->status);
        self::assertSame(500, $host->get('GET', '/object')->status);
        self::assertStringContainsString('returned stdClass; it may return', $host->logs[0][3]);
    }

    public function testAnExceptionTellsTheClientNothingAndTheLogAll(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { if ($r->path === "/ok") '
            . 'return "ok"; throw new LogicException("se<cret"); })->run();');
        $answer = $host->get('POST', '/buy?x=1');
        self::assertSame(500, $answer->status);
        self::assertStringNotContainsString('cret', $answer->body);
        self::assertStringNotContainsString('.php', $answer->body);
        [, $stream, $level, $message, $context] = $host->logs[0];
        self::assertSame([1, 'error', 'POST', '/buy?x=1'], [$stream, $level, $context['method'], $context['target']]);
        self::assertStringStartsWith('LogicException: se<cret in ', $message);
        self::assertStringContainsString('#0 ', $context['trace']);
        self::assertSame('ok', $host->get('GET', '/ok')->body, 'the worker lives on');
    }

    public function testInDevTheClientSeesTheTraceEscaped(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(function () { throw new LogicException("<b>bold</b>"); })->run();',
            dev: true);
        $body = $host->get('GET', '/<script>')->body;
        self::assertStringContainsString('LogicException: &lt;b&gt;bold&lt;/b&gt;', $body);
        self::assertStringContainsString('GET /&lt;script&gt;', $body);
        self::assertStringNotContainsString('<script>', $body);
    }

    public function testExitIsAnsweredWith500AtOnce(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function () { exit("bye"); })->run();');
        $answer = $host->get();
        self::assertSame([500, true, true], [$answer->status, $answer->ended, $answer->done]);
        self::assertStringContainsString('exit()', $host->logs[0][3]);
        $host->end();
        self::assertStringContainsString('bye', $host->log());
    }

    /** @return iterable<string, array{string, string}> */
    public function fatal(): iterable
    {
        yield 'memory' => ['$all = []; for (;;) { $all[] = str_repeat("x", 1000); }', 'Allowed memory size'];
        yield 'memory in one piece' => ['$all = str_repeat("x", 1 << 30);', 'Allowed memory size'];
        yield 'time' => ['set_time_limit(1); for (;;) {}', 'Maximum execution time'];
        yield 'a class declared twice' => ['eval("class A {} "); eval("class A {}");', 'Cannot declare class A'];
    }

    /** @dataProvider fatal */
    public function testAFatalErrorIsAnsweredWith500AtOnce(string $code, string $message): void
    {
        $host = FakeHost::serving("Worker::create()->onRequest(function () { $code })->run();",
            php: ['-d', 'display_errors=stderr', '-d', 'memory_limit=16M']);
        $answer = $host->get();
        self::assertSame([500, true, true], [$answer->status, $answer->ended, $answer->done]);
        self::assertStringContainsString($message, $host->logs[0][3]);
        self::assertSame(255, $host->end());
        self::assertStringContainsString($message, $host->log(), "PHP's own message");
    }

    public function testExitInTheMiddleOfABodyAbortsTheResponse(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn () => Response::stream((function () { yield "a"; exit; })()))->run();');
        $answer = $host->get();
        self::assertSame([200, 'a', Frame::CODE_INTERNAL, false, true],
            [$answer->status, $answer->body, $answer->reset, $answer->ended, $answer->done]);
    }

    public function testAThrowInTheMiddleOfABodyAbortsTheResponse(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::stream((function () { yield "a"; '
            . 'throw new Exception("broke"); })()))->run();');
        $answer = $host->get();
        self::assertSame([200, 'a', Frame::CODE_INTERNAL, false, true],
            [$answer->status, $answer->body, $answer->reset, $answer->ended, $answer->done]);
        self::assertSame(Frame::CODE_INTERNAL, $host->get()->reset, 'the worker lives on');
    }

    public function testAThrowBeforeTheFirstChunkIsACleanErrorPage(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::stream((function () { throw new '
            . 'Exception("broke"); yield "a"; })()))->run();');
        self::assertSame(500, $host->get()->status);
    }

    public function testABadHeaderIsThisProgramsMistakeAndNeverSent(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn (Request $r) => new Response(200, ["X-Back" => $r->query["q"]]))->run();');
        $answer = $host->get('GET', '/?q=a%0d%0aSet-Cookie:%20b');
        self::assertSame(500, $answer->status);
        self::assertStringContainsString('X-Back holds a line break', $host->logs[0][3]);
    }

    public function testCodeAfterTheResponseRunsBetweenEndAndDone(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(fn () => Response::text('now')
                ->after(function () { Log::info('first'); throw new Exception('mail is down'); })
                ->after(function () { Log::info('second'); }))->run();
            PHP);
        $answer = $host->get();
        self::assertSame([[Frame::RESPONSE, Frame::DONE], 'now', true],
            [$answer->types, $answer->body, $answer->ended]);
        self::assertSame(['first', 'second'], [$host->logs[0][3], $host->logs[2][3]]);
        self::assertStringContainsString('mail is down', $host->logs[1][3]);
    }

    public function testExitInCodeAfterTheResponseLeavesTheResponse(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn () => Response::text("now")->after(function () { exit; }))->run();');
        $answer = $host->get();
        self::assertSame([[Frame::RESPONSE, Frame::DONE], 'now'], [$answer->types, $answer->body]);
    }

    /** @requires extension pcntl */
    public function testAForkedChildDoesNotAnswer(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function () { $child = pcntl_fork(); if ($child === '
            . '0) exit; pcntl_waitpid($child, $status); return "parent"; })->run();');
        self::assertSame(['parent', 'parent'], [$host->get()->body, $host->get()->body]);
        self::assertSame([], $host->logs);
    }

    public function testLogEntriesCarryTheirStream(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function () { Log::warn("low", ["disk" => "sda", '
            . '"free" => 3, "list" => [1, 2], 7 => null]); })->run();');
        $host->get();
        $host->get();
        self::assertSame([6, 3, 'warn', 'low', ['disk' => 'sda', 'free' => 3, 'list' => '[1,2]', '_7' => null]],
            $host->logs[1]);
    }

    public function testABodyOfTextIsHtmlUnlessTheHandlerSaysWhatItIs(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            $bodies = [
                '/text' => 'grüße', '/bytes' => "\x89PNG\xff\xff\xff\xff", '/empty' => '', '/cut' => substr(str_repeat('ü', 40000), 1), '/long' => str_repeat('ü', 50000),
                '/chunks' => ['gr', 'üße'],
            ];
            Worker::create()->onRequest(fn (Request $r) => $r->path === '/said' ? new Response(200, ['CONTENT-type' => 'text/csv'], 'x') : new Response(200, ['A' => 'b'], $bodies[$r->path]))->run();
            PHP);
        $html = ['text/html; charset=utf-8'];
        foreach (['/text' => $html, '/bytes' => null, '/empty' => null, '/cut' => null, '/long' => $html,
            '/chunks' => $html, '/said' => ['text/csv']] as $path => $expected) {
            self::assertSame($expected, $host->get('GET', $path)->headers['content-type'] ?? null, $path);
        }
        self::assertSame($html, $host->get('HEAD', '/long')->headers['content-type'] ?? null);
    }
}
