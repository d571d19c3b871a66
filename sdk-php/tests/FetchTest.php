<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Responses that the host fetches (SPEC.md §15). */
final class FetchTest extends TestCase
{
    private static function answering(string $expression, string $more = ''): FakeHost
    {
        $host = new FakeHost("Worker::create()->onRequest(fn (Request \$r) => $expression){$more}->run();");
        $host->hello(features: ['fetch']);
        $host->ready = $host->next();

        return $host;
    }

    public function testAResponseIsFetched(): void
    {
        $host = self::answering('Response::fetch("https://api.example/v1", "post", ["X-A" => "b"], ["n" => 1.0], '
            . 'context: ["user" => 7], keep: 9, timeout: 1.5)');
        $host->request('HEAD');
        self::assertSame([Frame::RESPONSE, 1, 3, 200, [], '{"n":1.0}', null, null,
            ['https://api.example/v1', 'POST', ['X-A', 'b', 'Content-Type', 'application/json'], ['*', ':status'],
                ['user' => 7], 9, 1500]], $host->next());
    }

    public function testTheHeadIsTheHandlersOrTheAnswers(): void
    {
        $host = self::answering('Response::fetch("https://a", head: ["Content-Type" => "text/plain", "X-Id"], '
            . 'status: 201)->withHeader("X-Own", "1")->after(fn () => null)');
        $host->request();
        self::assertSame([Frame::RESPONSE, 1, 1, 201, ['Content-Type', 'text/plain', 'X-Own', '1'], '', null, null,
            ['https://a', 'GET', [], ['X-Id'], null, 0, 0]], array_replace($host->next(), [5 => '']));
        self::assertSame([Frame::DONE, 1], $host->next());
    }

    public function testALongBodyFollows(): void
    {
        $host = self::answering('Response::fetch("https://a", "POST", body: str_repeat("x", 70000))');
        $host->request();
        $response = $host->next();
        self::assertSame([0, 65536], [$response[2], strlen($response[5])]);
        $data = $host->next();
        self::assertSame([Frame::DATA, 3, 4464], [$data[0], $data[2], strlen($data[3])]);
    }

    public function testAHostThatFetchesNothingIsAClearError(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => Response::fetch("https://a"))->run();');
        self::assertSame(500, $host->get()->status);
        self::assertStringContainsString('[pool.test.fetch] allow', $host->logs[0][3]);
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testAnyWorkerLearnsHowItEnded(string $mode): void
    {
        $host = self::answering('"x"', $mode . '->onFetched(function (\WorkerHost\Fetched $f): void { '
            . 'if ($f->attempt === 2) { throw new \RuntimeException("no"); } '
            . '\WorkerHost\Log::info(json_encode([$f->id, $f->status, $f->headers, $f->length, $f->duration, $f->end, '
            . '$f->requestId, $f->context, $f->body, $f->isComplete()])); })');
        self::assertContains('fetched', $host->ready[6]);
        $event = ['f1', 1, 'https://a', 200, ['A-B', 'c'], 3, 1500, 'complete', '', 'r1', ['user' => 7]];
        $stream = $host->event(Frame::FETCHED, [Frame::FLAG_END, ...$event, 'abc']);
        self::assertSame('["f1",200,{"a-b":["c"]},3,1.5,"complete","r1",{"user":7},"abc",true]', $host->nextLog()[3]);
        self::assertSame([Frame::DONE, $stream], $host->next());

        $stream = $host->event(Frame::FETCHED, [0, ...$event, 'abc']);
        $host->send([Frame::DATA, $stream, Frame::FLAG_END, 'def']);
        self::assertStringContainsString('"abcdef"', $host->nextLog()[3]);
        $host->next();

        $event[1] = 2;
        $stream = $host->event(Frame::FETCHED, [Frame::FLAG_END, ...$event, 'abc']);
        self::assertStringContainsString('no', $host->nextLog()[3]);
        self::assertSame([Frame::RESET, $stream, Frame::CODE_INTERNAL], array_slice($host->next(), 0, 3));
    }

    public function testAWorkerThatEndsWithOneSaysOfWhich(): void
    {
        $host = self::answering('"x"', '->onFetched(fn () => exit(0))');
        $host->done($host->event(Frame::FETCHED, [Frame::FLAG_END, 'f1', 1, 'https://a', 200, [], 3, 1500, 'complete', '',
            'r1', null, 'abc']));
        [, , , $text, $fields] = $host->logs[0];
        self::assertStringContainsString('the code called exit()', $text);
        self::assertSame(['FETCHED', 'f1'], [$fields['event'], $fields['connection']]);
        self::assertStringNotContainsString('Warning', $host->log());
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testAnotherHandlerAnswersWhereOneFailed(string $mode): void
    {
        $host = self::answering('"page"', $mode . '->onFetchFailed(fn (Request $r, string $why) => Response::text($why, 503))');
        self::assertContains('fetch-failed', $host->ready[6]);
        self::assertSame('page', $host->get()->body);
        $answer = $host->get('GET', '/', ['X-Worker-Fetch-Failed', 'no route']);
        self::assertSame([503, 'no route'], [$answer->status, $answer->body]);
    }

    public function testMistakesAreClearErrors(): void
    {
        foreach ([
            "context['k'] holds an object of stdClass" =>
                fn () => Response::fetch('x', context: ['k' => new \stdClass()]),
            "'pass' or an array" => fn () => Response::fetch('x', head: 'all'),
            'for 0 seconds' => fn () => Response::fetch('x', timeout: -1),
            'status' => fn () => Response::fetch('x', status: 100),
        ] as $message => $mistake) {
            try {
                $mistake();
                self::fail("no error: $message");
            } catch (\TypeError | \ValueError $e) {
                self::assertStringContainsString($message, $e->getMessage());
            }
        }
    }
}
