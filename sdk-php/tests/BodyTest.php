<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Bodies of requests: whole, in pieces, under the window, left unread, cut off. */
final class BodyTest extends TestCase
{
    private const ECHO = 'Worker::create()->onRequest(fn (Request $r) => Response::text(md5($r->body()) . " " . '
        . 'strlen($r->body())))->run();';
    private const STREAM = <<<'PHP'
        Worker::create()->onRequest(function (Request $request) {
            $in = $request->stream(); $hash = hash_init('md5'); $size = 0;
            while (!feof($in)) { $bytes = fread($in, 65536); hash_update($hash, $bytes); $size += strlen($bytes); }
            return Response::text(hash_final($hash) . " $size " . (memory_get_peak_usage() < 12e6 ? 'small' : 'large'));
        })->run();
        PHP;

    /** @return iterable<string, array{string, string}> */
    public function sizes(): iterable
    {
        foreach (['body()' => self::ECHO, 'stream()' => self::STREAM] as $name => $code) {
            foreach ([0, 1, 65535, 65536, 65537, 262143, 262144, 262145, 1048576] as $size) {
                yield "$name, $size bytes" =>
                    [$code, $size === 0 ? ''
                        : substr(str_repeat(random_bytes(1021), intdiv($size, 1021) + 1), 0, $size)];
            }
        }
    }

    /** @dataProvider sizes */
    public function testABodyOfAnySizeArrivesWhole(string $code, string $body): void
    {
        $host = FakeHost::serving($code);
        $stream = $host->request('POST', '/', [], null, false, [strlen($body)]);
        self::upload($host, $stream, $body, 65536);
        self::assertStringStartsWith(md5($body) . ' ' . strlen($body), $host->answer($stream)->body);
        self::assertSame(0, $host->end());
    }

    /** Sends within the window alone, and fails if the worker does not open it. */
    private static function upload(FakeHost $host, int $stream, string $body, int $chunk): void
    {
        $window = Frame::WINDOW_SIZE;
        for ($at = 0, $size = strlen($body); $at < $size; $at += $count) {
            while ($window === 0) {
                $message = $host->next();
                self::assertSame([Frame::WINDOW, $stream], [$message[0], $message[1]]);
                $window += $message[2];
                self::assertLessThanOrEqual(Frame::WINDOW_SIZE, $window);
            }
            $count = min($chunk, $window, $size - $at);
            $window -= $count;
            $host->send([Frame::DATA, $stream, 0, substr($body, $at, $count)]);
        }
        $host->send([Frame::DATA, $stream, Frame::FLAG_END, '']);
    }

    public function testABodyInPiecesOfOneByteArrivesWhole(): void
    {
        foreach ([self::ECHO, self::STREAM] as $code) {
            $host = FakeHost::serving($code);
            $stream = $host->request('POST', '/', [], 'first', false);
            self::upload($host, $stream, str_repeat('abc', 1000), 1);
            self::assertStringStartsWith(md5('first' . str_repeat('abc', 1000)), $host->answer($stream)->body);
        }
    }

    public function testALongBodyNeedsLittleMemoryAsAStream(): void
    {
        $host = FakeHost::serving(self::STREAM);
        $body = str_repeat('0123456789abcdef', 3 << 16);
        $stream = $host->request('PUT', '/', [], null, false);
        self::upload($host, $stream, str_repeat($body, 16), 65536);
        self::assertStringEndsWith(' ' . (48 << 20) . ' small', $host->answer($stream)->body);
    }

    public function testABodyInTheRequestItselfIsAStreamAndAStringAtOnce(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => fread($r->stream(), 2) . '
            . '$r->body() . stream_get_contents($r->stream()) . $r->length)->run();');
        self::assertSame('abcabcdcd' . '4',
            str_replace('ababcd', 'abcabcd', $host->get('POST', '/', [], 'abcd')->body));
    }

    public function testBodyAfterAPartOfTheStreamIsAMistakeThatSaysSo(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { fread($r->stream(), 2); '
            . 'return $r->body(); })->run();');
        $stream = $host->request('POST', '/', [], 'abcd', false);
        $host->send([Frame::DATA, $stream, 1, 'ef']);
        self::assertSame(500, $host->answer($stream)->status);
        self::assertStringContainsString('stream() has given some of it away', $host->logs[0][3]);
    }

    public function testABodyMayBeLeftUnreadAndLateDataIsDropped(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn (Request $r) => "early")->run();');
        $stream = $host->request('POST', '/', [], 'abc', false);
        self::assertSame('early', $host->answer($stream)->body);
        $host->send([Frame::DATA, $stream, 0, 'late']);
        $host->send([Frame::WINDOW, $stream, 100]);
        $host->send([Frame::RESET, $stream, 1]);
        self::assertSame('early', $host->get()->body);
    }

    public function testABodyThatBreaksOffIsNeverTakenForAWhole(): void
    {
        foreach (['$r->body()', 'stream_get_contents($r->stream())', 'fgets($r->stream())'] as $read) {
            $host = FakeHost::serving("Worker::create()->onRequest(function (Request \$r) { \$r->inform(103); try { "
                . "\$x = $read; Log::info('whole'); } finally { Log::info('finally'); } })->run();");
            $stream = $host->request('POST', '/', [], 'abc', false);
            self::assertSame(Frame::INFORM, $host->next()[0]); // it has begun
            $host->send([Frame::RESET, $stream, 1, 'hung up']);
            $answer = $host->answer($stream);
            self::assertSame([Frame::DONE], $answer->types, $read);
            self::assertSame(['finally', 'stopped: the client has left: hung up'], array_column($host->logs, 3));
        }
    }

    public function testARequestThatWasKeptTakesNothingOfTheNext(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(function (Request $r) {
                static $kept = null;
                if ($kept === null) { $kept = $r; $r->stream(); return 'first'; }
                try { return $kept->isCancelled() . fread($kept->stream(), 1); } catch (RequestCancelled $e) { $kept->earlyHints([]); return $e->getMessage() . $r->body(); }
            })->run();
            PHP);
        self::assertSame('first', $host->answer($host->request('POST', '/', [], null, false))->body);
        $stream = $host->request('POST', '/', [], 'a', false);
        $host->send([Frame::DATA, $stream, 1, 'b']);
        self::assertSame(['the request is overab', []], [($answer = $host->answer($stream))->body, $answer->informs]);
    }

    public function testMoreThanTheWindowEndsTheLink(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(function (Request $r) { while (!$r->isCancelled()) usleep(1000); })->run();');
        $stream = $host->request('POST', '/', [], null, false);
        for ($i = 0; $i < 4; ++$i) {
            $host->send([Frame::DATA, $stream, 0, str_repeat('x', 65536)]);
        }
        $host->send([Frame::DATA, $stream, 0, 'x']);
        self::assertSame([], $host->next());
        self::assertSame(1, $host->end());
        self::assertStringContainsString(
            'expected at most 0 bytes of DATA on stream 1, got 1, which is 1 more than its window (SPEC.md §6.1)',
            $host->log());
    }

    public function testTheRequestsTrailersAreThereOnceTheBodyIsRead(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn (Request $r) => [$r->trailers, $r->body(), $r->trailers])->run();');
        $stream = $host->request('POST', '/', [], 'a', false);
        $host->send([Frame::DATA, $stream, 1, 'b', ['X-Sum', '7']]);
        self::assertSame('[[],"ab",{"x-sum":["7"]}]', $host->answer($stream)->body);
    }

    public function testAUrlencodedFormIsParsedAndItsBytesAreKept(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn (Request $r) => [$r->form, $r->body(), $r->query])->run();');
        $stream = $host->request('POST', '/?q[]=1&q[]=2',
            ['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8'], 'a[b][]=1&', false);
        $host->send([Frame::DATA, $stream, 1, 'a[b][]=2&c.d=+%C3%BC']);
        self::assertSame(
            [['a' => ['b' => ['1', '2']], 'c_d' => ' ü'], 'a[b][]=1&a[b][]=2&c.d=+%C3%BC', ['q' => ['1', '2']]],
            json_decode($host->answer($stream)->body, true),
        );
    }

    public function testFieldsBeyondMaxInputVarsAreDroppedAndLogged(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->onRequest(fn (Request $r) => [count($r->query), count($r->form)])->run();',
            php: ['-d', 'display_errors=stderr', '-d', 'max_input_vars=3']);
        $answer = $host->get('POST', '/?a=1&b=2&c=3', ['Content-Type', 'application/x-www-form-urlencoded'],
            'a=1&b=2&c=3&d=4');
        self::assertSame('[3,3]', $answer->body);
        self::assertStringContainsString('a form or query of 4 fields: those after the first 3 were dropped',
            $host->logs[0][3]);
        self::assertSame('', $host->log());
    }

    public function testAFormOfTheHostComesAsFieldsAndFiles(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->onRequest(function (Request $r) {
                $r->files[0]->moveTo(__DIR__ . '/kept');
                return [$r->form, array_map(fn ($f) => [$f->field, $f->name, $f->fullPath, $f->type, $f->size, $f->error], $r->files), substr(sprintf('%o', fileperms(__DIR__ . '/kept')), -3)];
            })->run();
            PHP);
        file_put_contents($path = $host->path('upload'), 'content');
        chmod($path, 0600);
        $form = [['a[x]', '1', 'a[y]', '2'],
            [['docs[]', '../a.txt', 'text/plain', 7, $path, 0], ['docs[]', '', '', 0, '', 4]]];
        $answer = $host->get('POST', '/', ['Content-Type', 'multipart/form-data; boundary=x'], null, [-1, $form]);
        self::assertSame(
            [['a' => ['x' => '1', 'y' => '2']],
                [['docs[]', 'a.txt', '../a.txt', 'text/plain', 7, 0], ['docs[]', '', '', '', 0, 4]],
                sprintf('%o', 0666 & ~umask())],
            json_decode($answer->body, true),
        );
        self::assertSame('content', file_get_contents($host->path('kept')));
        self::assertFileDoesNotExist($path);
    }
}
