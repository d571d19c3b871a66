<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use Google\Protobuf\StringValue;
use PHPUnit\Framework\TestCase;
use WorkerHost\Bridge\Grpc;
use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\Context;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Bridge\Grpc\Stream;
use WorkerHost\Bridge\Symfony;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Grpc\Metadata;
use WorkerHost\Tests\Support\EchoService;
use WorkerHost\Tests\Support\FakeHost;

/** gRPC: what a call comes to, and what its client is told of one that is not as it should be. */
final class GrpcTest extends TestCase
{
    private const AUTOLOAD = <<<'PHP'
        spl_autoload_register(static function (string $class): void {
            $file = stream_resolve_include_path(strtr($class, '\\', '/') . '.php');
            if ($file !== false) { require $file; }
        });
        PHP;
    private const WORKER = self::AUTOLOAD . <<<'PHP'

        use Google\Protobuf\StringValue; use WorkerHost\Bridge\Grpc; use WorkerHost\Bridge\Grpc\{Context, Stream};
        final class Echoes {
            public function Chat(#[Stream(StringValue::class)] iterable $in): iterable {
                try {
                    foreach ($in as $one) { yield new StringValue(['value' => 're:' . $one->getValue()]); }
                } finally { WorkerHost\Log::info('over'); }
            }
            public function Throws(StringValue $in): StringValue { throw new LogicException('a secret'); }
            public function Waits(StringValue $in, Context $call): StringValue { WorkerHost\Async::delay(10); }
            public function Loops(StringValue $in, Context $call): iterable {
                while (!$call->isCancelled()) { usleep(1000); }
                yield $in;
            }
        }
        PHP;
    private const RUN = 'Worker::create()->concurrency(%d)->onRequest((new Grpc())->service("t.Echoes", new Echoes()))'
        . '->run();';

    protected function setUp(): void
    {
        if (stream_resolve_include_path('Google/Protobuf/Internal/Message.php') === false
            && !extension_loaded('protobuf')) {
            self::markTestSkipped('php-google-protobuf is not installed');
        }
        eval(self::AUTOLOAD);
    }

    private static function frame(string $text, int $flag = 0): string
    {
        $bytes = (new StringValue(['value' => $text]))->serializeToString();
        $bytes = $flag === 1 ? gzencode($bytes) : $bytes;

        return chr($flag) . pack('N', strlen($bytes)) . $bytes;
    }

    /** @return list<string> the texts of messages */
    private static function texts(string $bytes): array
    {
        for ($texts = []; $bytes !== ''; $bytes = substr($bytes, 5 + $length)) {
            $length = unpack('N', $bytes, 1)[1];
            $message = new StringValue();
            $one = substr($bytes, 5, $length);
            $message->mergeFromString($bytes[0] === "\1" ? gzdecode($one) : $one);
            $texts[] = $message->getValue();
        }

        return $texts;
    }

    /**
     * A call in this process.
     *
     * @param array<string, string|list<string>> $headers
     *
     * @return array{list<string>, array<string, string>, array<string, list<string>>} messages, trailers, headers
     */
    private static function call(string $method, string $body, array $headers = [], int $most = 4 << 20): array
    {
        $grpc = (new Grpc($most))->service('t.Echo', new EchoService());
        $response = $grpc(Request::create('POST', $method, ['Content-Type' => 'application/grpc'] + $headers, $body));
        self::assertInstanceOf(Response::class, $response);
        self::assertSame([200, 'application/grpc'], [$response->status, $response->header('content-type')]);
        $trailers = array_column($response->parts()[4], 1, 0)
            ?: array_map(static fn (array $values): string => $values[0], $response->headers);

        return [self::texts($response->body), $trailers, $response->headers];
    }

    public function testTheFourKindsOfCalls(): void
    {
        foreach ([
            ['Say', ['a'], ['a!']], ['Many', ['a'], ['0a', '1a', '2a']],
            ['Gather', ['a', 'b', 'c'], ['a,b,c']], ['Gather', [], ['']], ['Chat', ['a', 'b'], ['re:a', 're:b']],
            ['Chat', [], []],
        ] as [$method, $in, $out]) {
            [$texts, $trailers] = self::call("/t.Echo/$method", implode('', array_map(self::frame(...), $in)));
            self::assertSame([$out, '0'], [$texts, $trailers['grpc-status']], $method);
        }
    }

    /** @return iterable<string, array{string, string, array<string, string>, Code, string}> */
    public function malformed(): iterable
    {
        $one = fn (): string => self::frame('a');
        yield 'no service' => ['/x.Y/Say', $one, [], Code::Unimplemented, 'there is no service x.Y here'];
        yield 'no method' => ['/t.Echo/No', $one, [], Code::Unimplemented, 'the service t.Echo has no method No'];
        yield 'not as PHP sees names' => ['/t.Echo/say', $one, [], Code::Unimplemented, 'no method say'];
        yield 'a method that is none' => ['/t.Echo/helper', $one, [], Code::Unimplemented, 'no method helper'];
        yield 'no path' => ['*', $one, [], Code::Unimplemented, 'there is no service'];
        yield 'no message' => ['/t.Echo/Say', fn () => '', [], Code::Unimplemented, 'the client has sent none'];
        yield 'two' => ['/t.Echo/Say', fn () => $one() . $one(), [], Code::Unimplemented, 'the client has sent more'];
        yield 'part of a head' => ['/t.Echo/Say', fn () => "\0\0\0", [], Code::Internal, 'within the head'];
        yield 'part of a message' => ['/t.Echo/Say', fn () => substr($one(), 0, -1), [], Code::Internal,
            'within a message of 3 bytes'];
        yield 'a flag' => ['/t.Echo/Say', fn () => "\2" . substr($one(), 1), [], Code::Internal, 'begins with 2'];
        yield 'no protobuf' => ['/t.Echo/Say', fn () => "\0\0\0\0\1\x0a", [], Code::Internal, 'StringValue'];
        yield 'too long' => ['/t.Echo/Say', fn () => self::frame(str_repeat('x', 100)), [], Code::ResourceExhausted,
            'longer than the 99 bytes'];
        yield 'announced too long' => ['/t.Echo/Say', fn () => "\0\xff\xff\xff\xff", [], Code::ResourceExhausted, ''];
        yield 'too long once decompressed' => ['/t.Echo/Say', fn () => self::frame(str_repeat('x', 1 << 20), 1)
            , ['grpc-encoding' => 'gzip'], Code::ResourceExhausted, ''];
        yield 'no gzip' => ['/t.Echo/Say', fn () => "\1\0\0\0\3abc", ['grpc-encoding' => 'gzip'], Code::Internal,
            'not what gzip writes'];
        yield 'half of a gzip' => ['/t.Echo/Say', fn () => "\1\0\0\0\x0c" . substr(gzencode('abc'), 0, 12),
            ['grpc-encoding' => 'gzip'], Code::Internal, 'not what gzip writes'];
        yield 'compressed, unsaid' => ['/t.Echo/Say', fn () => self::frame('a', 1), [], Code::Internal, 'grpc-encoding'];
        yield 'another encoding' => ['/t.Echo/Say', $one, ['grpc-encoding' => 'snappy'], Code::Unimplemented, 'snappy'];
        yield 'a time-out' => ['/t.Echo/Say', $one, ['grpc-timeout' => '1x'], Code::Internal, 'grpc-timeout'];
        yield 'a time-out of nine digits' => ['/t.Echo/Say', $one, ['grpc-timeout' => '123456789S'], Code::Internal, ''];
        yield 'no time left' => ['/t.Echo/Say', $one, ['grpc-timeout' => '0n'], Code::DeadlineExceeded, ''];
        yield 'bytes that are not base64' => ['/t.Echo/Meta', $one, ['b-bin' => '*'], Code::Internal, 'base64'];
    }

    /**
     * @dataProvider malformed
     *
     * @param \Closure(): string    $body
     * @param array<string, string> $headers
     */
    public function testWhatComesMalformedGetsTheRightStatus(string $path, \Closure $body, array $headers, Code $code,
        string $message): void
    {
        [$texts, $trailers] = self::call($path, $body(), $headers, 99);
        self::assertSame([[], (string) $code->value], [$texts, $trailers['grpc-status']]);
        self::assertStringContainsString($message, $trailers['grpc-message']);
    }

    public function testAFailureOfTheMethodReachesTheClientWithItsDetails(): void
    {
        [, $trailers] = self::call('/t.Echo/Refuse', self::frame('x'));
        self::assertSame('9', $trailers['grpc-status']);
        self::assertSame('not now: %C3%A9, %25 and %0A', $trailers['grpc-message']);
        $details = base64_decode($trailers['grpc-status-details-bin'], true);
        self::assertStringStartsWith("\x08\x09\x12\x14not now: é, % and \n\x1a", $details);
        self::assertStringEndsWith("type.googleapis.com/google.protobuf.StringValue\x12\x03\x0a\x01x", $details);
        self::assertSame('t1', $trailers['t'], 'and its trailers');
        $this->expectException(\ValueError::class);
        new GrpcException(0);
    }

    public function testMetadataGoesBothWays(): void
    {
        [$texts, $trailers, $headers] = self::call('/t.Echo/Meta', self::frame(''),
            ['k' => ['1', '2'], 'b-bin' => ['AP8', 'AQ==,Ag=='], 'grpc-timeout' => '5S']);
        self::assertSame(['1,2|00ff,01,02|t.Echo|Meta|5'], $texts);
        self::assertSame([['1', '2'], ['AP8']], [$headers['a'], $headers['raw-bin']]);
        self::assertSame(['0', 'AQI'], [$trailers['grpc-status'], $trailers['t-bin']]);
    }

    /** @return iterable<int, array{string, string}> */
    public function forbidden(): iterable
    {
        yield ['grpc-status', '0'];
        yield ['Content-Type', 'x'];
        yield ['a b', 'x'];
        yield ['', 'x'];
        yield ['a', "x\n"];
        yield ['a', 'é'];
    }

    /** @dataProvider forbidden */
    public function testMetadataThatGRPCDoesNotAllowIsAMistake(string $name, string $value): void
    {
        $this->expectException(\ValueError::class);
        Metadata::field($name, $value);
    }

    public function testAnswersAreCompressedAsTheClientDoesIt(): void
    {
        $text = str_repeat('x', 5000);
        $accepts = ['grpc-encoding' => 'gzip', 'grpc-accept-encoding' => 'deflate,gzip'];
        [$texts, , $headers] = self::call('/t.Echo/Say', self::frame($text, 1), $accepts);
        self::assertSame([["$text!"], ['gzip']], [$texts, $headers['grpc-encoding']]);
        [$texts, , $headers] = self::call('/t.Echo/Say', self::frame($text, 1), ['grpc-encoding' => 'gzip']);
        self::assertSame(["$text!"], $texts);
        self::assertArrayNotHasKey('grpc-encoding', $headers, 'to a client that does not take it');
        self::assertSame(['gzip, identity'], $headers['grpc-accept-encoding']);
    }

    public function testWhatIsNoGRPCIsForOthers(): void
    {
        $grpc = (new Grpc())->service('t.Echo', new EchoService());
        foreach (['application/grpc-web', 'application/grpc+json', 'text/plain', ''] as $type) {
            $request = Request::create('POST', '/t.Echo/Say', ['Content-Type' => $type]);
            self::assertSame(415, $grpc($request)->status, $type);
        }
        self::assertSame(405, $grpc(Request::create('GET', '/', ['Content-Type' => 'application/grpc']))->status);
        $grpc->otherwise(static fn (Request $request): string => "a page at {$request->path}");
        self::assertSame('a page at /', $grpc(Request::create('GET', '/')));
        $this->expectExceptionMessage('give the framework a pool of its own');
        $grpc->otherwise(Symfony::create(static fn () => null));
    }

    /** @return iterable<string, array{object, string}> */
    public function wrong(): iterable
    {
        yield 'none' => [fn () => new class () {
            public function helper(string $text): void
            {
            }
        }, 'has no method for gRPC'];
        yield 'no return type' => [fn () => new class () {
            public function Say(StringValue $in)
            {
            }
        }, 'Say() has to say what it returns'];
        yield 'a stream of what' => [fn () => new class () {
            public function Say(#[Stream('No\Such')] iterable $in): StringValue
            {
            }
        }, 'a stream of No\Such'];
        yield 'a stream in no iterable' => [fn () => new class () {
            public function Say(#[Stream(StringValue::class)] StringValue $in): StringValue
            {
            }
        }, 'its first parameter is an iterable'];
        yield 'more parameters' => [fn () => new class () {
            public function Say(StringValue $in, Context $call, int $more): StringValue
            {
            }
        }, 'and nothing else'];
    }

    /** @dataProvider wrong */
    public function testAServiceThatIsNotOneFailsTheBoot(\Closure $service, string $why): void
    {
        $this->expectException(\TypeError::class);
        $this->expectExceptionMessage($why);
        (new Grpc())->service('t.Wrong', $service)->start();
    }

    public function testTheProtoIsKeptOrTheBootFailsWithASentenceForEachMistake(): void
    {
        $method = static fn (string $name, int $up, int $down, string $gives = '.google.protobuf.StringValue'): string
            => self::field(2, self::field(1, $name) . self::field(2, '.google.protobuf.StringValue')
                . self::field(3, $gives) . "\x28" . chr($up) . "\x30" . chr($down));
        $set = static fn (string ...$methods): string => self::field(1, self::field(1, 'echo.proto')
            . self::field(2, 't') . self::field(6, self::field(1, 'Echo') . implode('', $methods)));
        $good = [$method('Say', 0, 0), $method('Many', 0, 1), $method('Gather', 1, 0), $method('Chat', 1, 1),
            $method('Refuse', 0, 0), $method('Meta', 0, 0)];
        $start = static function (string $bytes, string $service = 't.Echo'): string {
            $path = tempnam(sys_get_temp_dir(), 'protos');
            try {
                file_put_contents($path, $bytes);
                (new Grpc(protos: $path))->service($service, new EchoService())->start();

                return '';
            } catch (\Throwable $e) {
                return str_replace($path, 'app.pb', $e->getMessage());
            } finally {
                unlink($path);
            }
        };
        self::assertSame('', $start($set(...$good)));
        self::assertSame('app.pb has no service t.Other; it has t.Echo', $start($set(...$good), 't.Other'));
        $wrong = $start($set($method('Say', 1, 0), $method('Many', 0, 0), $method('Meta', 0, 0, '.t.Hello'),
            $method('New', 0, 1), $method('Chat', 0, 1), $method('Gather', 1, 1)));
        foreach ([
            'EchoService::Say() gets one message, and app.pb has `rpc Say(stream google.protobuf.StringValue) returns',
            'EchoService::Many() gives a stream, and', 'EchoService::New() is missing, and',
            'EchoService::Meta() gives google.protobuf.StringValue, and', 'EchoService::Chat() gets a stream, and',
            'EchoService::Gather() gives one message, and', 'EchoService::Refuse() is no method of t.Echo in app.pb',
        ] as $sentence) {
            self::assertStringContainsString($sentence, $wrong);
        }
        self::assertStringContainsString('is no descriptor set', $start("\x0a\x7f"));
        self::assertStringContainsString('a name is missing', $start(self::field(1, self::field(6, ''))));
        self::assertSame('app.pb has no service', $start(''));
        $this->expectExceptionMessage('/no/such.pb, which new Grpc(protos: …) names, can not be read');
        (new Grpc(protos: '/no/such.pb'))->start();
    }

    private static function field(int $number, string $bytes): string
    {
        $size = strlen($bytes);

        return chr($number << 3 | 2) . ($size < 128 ? chr($size) : chr($size & 127 | 128) . chr($size >> 7)) . $bytes;
    }

    public function testHealthIsTheWorkersOwn(): void
    {
        $ill = (new Grpc())->service('t.Echo', new EchoService())->health(
            static fn (string $of): bool => $of === '' || throw new \Exception('no database'));
        ini_set('error_log', '/dev/null'); // where the log of no worker goes
        foreach ([['', '0', "\1"], ['t.Echo', '0', "\2"], ['t.Other', '5', '']] as [$of, $status, $serving]) {
            $asked = self::field(1, $of);
            $response = $ill(Request::create('POST', '/grpc.health.v1.Health/Check',
                ['Content-Type' => 'application/grpc'], "\0" . pack('N', strlen($asked)) . $asked));
            $trailers = array_column($response->parts()[4], 1, 0);
            self::assertSame($status, $trailers['grpc-status'] ?? $response->header('grpc-status'));
            self::assertSame($serving === '' ? '' : "\0\0\0\0\2\x08$serving", $response->body, $of);
        }
        ini_restore('error_log');
        [, $trailers] = self::call('/grpc.health.v1.Health/Check', "\0\0\0\0\0");
        self::assertSame('12', $trailers['grpc-status'], 'where it is not asked for');
    }

    private static function serve(int $concurrency = 1, bool $dev = false): FakeHost
    {
        return FakeHost::serving(self::WORKER . sprintf(self::RUN, $concurrency), dev: $dev);
    }

    private static function open(FakeHost $host, string $method, string ...$headers): int
    {
        return $host->request('POST', "/t.Echoes/$method", ['Content-Type', 'application/grpc', ...$headers], null,
            false);
    }

    public function testMessagesGoBothWaysOneByOne(): void
    {
        $host = self::serve();
        $stream = self::open($host, 'Chat');
        [$type, , $flags, $status, $headers] = $host->next();
        self::assertSame([Frame::RESPONSE, 0, 200, 'application/grpc'], [$type, $flags, $status, $headers[1]],
            'the head comes before any message');
        foreach (['a', 'b'] as $text) {
            foreach (str_split(self::frame($text), 3) as $piece) {
                $host->send([Frame::DATA, $stream, 0, $piece]);
            }
            self::assertSame(["re:$text"], self::texts($host->next()[3]));
        }
        $host->send([Frame::DATA, $stream, 1, '']);
        self::assertSame([Frame::DATA, $stream, 3, '', ['grpc-status', '0']], $host->next());
        $stream = self::open($host, 'Chat');
        $host->next();
        $host->send([Frame::RESET, $stream, 1]);
        self::assertSame([Frame::DONE], $host->answer($stream)->types);
        self::assertSame(['over', 'over', 'stopped: the client has left'], array_column($host->logs, 3),
            'a stream that is cancelled is unwound');
    }

    public function testOtherThrowsAreInternalAndTellTheClientNothing(): void
    {
        foreach ([false, true] as $dev) {
            $host = self::serve(1, $dev);
            $answer = $host->get('POST', '/t.Echoes/Throws', ['Content-Type', 'application/grpc'], self::frame('a'));
            $message = $answer->headers['grpc-message'][0];
            self::assertSame(['13'], $answer->headers['grpc-status']);
            self::assertSame($dev, str_contains($message, 'a secret'), $message);
            self::assertStringContainsString('a secret', $host->logs[0][3]);
        }
    }

    public function testManyStreamsShareAWorker(): void
    {
        $host = self::serve(50);
        $streams = [];
        for ($i = 0; $i < 50; $i++) {
            $streams[] = self::open($host, 'Chat');
            self::assertSame(Frame::RESPONSE, $host->next()[0]);
        }
        foreach (array_reverse($streams) as $stream) { // while all others wait
            $host->send([Frame::DATA, $stream, 1, self::frame("$stream")]);
            [, $of, , $bytes] = $host->next();
            self::assertSame([$stream, ["re:$stream"]], [$of, self::texts($bytes)]);
            self::assertSame([Frame::DATA, $stream, 3, '', ['grpc-status', '0']], $host->next());
        }
    }

    public function testTheDeadlineCancels(): void
    {
        foreach ([[2, 'Waits'], [1, 'Loops']] as [$concurrency, $method]) {
            $host = self::serve($concurrency);
            $begun = hrtime(true);
            $answer = $host->get('POST', "/t.Echoes/$method",
                ['Content-Type', 'application/grpc', 'grpc-timeout', '50m'], self::frame('a'));
            self::assertSame(['4'], $answer->headers['grpc-status'], $method);
            self::assertLessThan(5e9, hrtime(true) - $begun);
        }
    }
}
