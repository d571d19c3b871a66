<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** The bridge to Laravel Octane, over a stand-in that calls its client in the order in which Octane does. */
final class OctaneTest extends TestCase
{
    /** vendor/laravel/octane/bin/bootstrap.php, with the classes that Composer would load. */
    private const OCTANE = <<<'PHP'
        namespace { foreach (['HttpFoundation', 'VarDumper'] as $name) { require_once "Symfony/Component/$name/autoload.php"; } }
        namespace Laravel\Octane\Contracts { interface Client {
            public function marshalRequest(\Laravel\Octane\RequestContext $context): array;
            public function respond(\Laravel\Octane\RequestContext $context, \Laravel\Octane\OctaneResponse $octaneResponse): void;
            public function error(\Throwable $e, \Illuminate\Foundation\Application $app, \Illuminate\Http\Request $request, \Laravel\Octane\RequestContext $context): void;
        } }
        namespace Illuminate\Foundation { class Application {
            public static array $config = [];
            public function make(string $name): object { return new class () { public function get(string $key, mixed $default = null): mixed { return Application::$config[$key] ?? $default; } }; }
        } }
        namespace Illuminate\Http { class Request extends \Symfony\Component\HttpFoundation\Request {
            public static function capture(): static { return static::createFromGlobals(); }
        } }
        namespace Laravel\Octane {
            class RequestContext {}
            class OctaneResponse { public function __construct(public $response, public ?string $outputBuffer = null) {} }
            class Octane { public static function formatExceptionForClient(\Throwable $e, bool $debug): string { return $debug ? $e->getMessage() : 'Internal server error.'; } }
            class ApplicationFactory { public function __construct(public string $basePath) {} }
            class Worker {
                public function __construct(private ApplicationFactory $factory, private Contracts\Client $client) {}
                public function boot(): void { require $this->factory->basePath . '/app.php'; set_exception_handler(function () { echo 'a page of the exception handler'; }); \booted(); }
                public function application(): \Illuminate\Foundation\Application { return new \Illuminate\Foundation\Application(); }
                public function handle(\Illuminate\Http\Request $request, RequestContext $context): void {
                    $responded = false;
                    try {
                        ob_start();
                        $response = \answered($request);
                        $output = ob_get_clean();
                        $this->client->respond($context, new OctaneResponse($response, $output));
                        $responded = true;
                        \WorkerHost\Log::info('terminated');
                    } catch (\Throwable $e) {
                        $responded || $this->client->error($e, $this->application(), $request, $context);
                        \WorkerHost\Log::info('reported ' . $e->getMessage());
                    }
                }
                public function handleTick(): void { \WorkerHost\Log::info('tick'); }
                public function terminate(): void { \WorkerHost\Log::info('stopping'); }
            }
        }
        PHP;

    private const APP = <<<'PHP'
        use Symfony\Component\HttpFoundation as Http;
        function answered(Illuminate\Http\Request $r) {
            switch ($r->getPathInfo()) {
                case '/dump': dump('seen'); $x = new Http\Response('after'); $x->headers->set('Content-Length', '5'); return $x;
                case '/throw': echo 'half '; throw new RuntimeException('past the kernel');
                case '/late': return new Http\StreamedResponse(function () { echo 'begun'; flush(); throw new RuntimeException('half-way'); });
                case '/early': return new Http\StreamedResponse(function () { echo 'begun'; throw new RuntimeException('half-way'); });
                case '/endless': return new Http\StreamedResponse(function () { for (;;) { echo "more\n"; flush(); usleep(1000); } });
                case '/upload': $f = $r->files->get('doc'); return new Http\JsonResponse([$f->isValid(), $f->move(__DIR__, 'moved')->getSize(), $r->request->all()]);
            }
            return new Http\JsonResponse([$r->getMethod(), $r->getUri(), $r->query->all(), $r->getContent(), $_SERVER['LARAVEL_OCTANE']], 201, ['X-A' => 'b']);
        }
        PHP;

    private static function code(string $boot = ''): string
    {
        return "mkdir(__DIR__ . '/vendor/laravel/octane/bin', 0700, true);"
            . 'file_put_contents(__DIR__ . "/vendor/laravel/octane/bin/bootstrap.php", '
            . var_export("<?php\n" . self::OCTANE, true) . ');'
            . 'file_put_contents(__DIR__ . "/app.php", '
            . var_export("<?php\n" . self::APP . "\nfunction booted() { $boot }", true) . ');'
            . '$octane = WorkerHost\Bridge\Octane::boot(__DIR__);'
            . 'while (frankenphp_handle_request($octane->handle(...))) {} $octane->terminate();';
    }

    private static function serving(string $boot = ''): FakeHost
    {
        if (stream_resolve_include_path('Symfony/Component/HttpFoundation/autoload.php') === false) {
            self::markTestSkipped('php-symfony-http-foundation is not installed');
        }

        return FakeHost::serving(self::code($boot), php: FakeHost::FRANKENPHP);
    }

    /** @param list<list<mixed>> $logs @return list<string> */
    private static function said(FakeHost $host): array
    {
        return array_column($host->logs, 3);
    }

    public function testTheApplicationIsBootedBeforeTheWorkerIsReady(): void
    {
        $host = self::serving('echo "booted";');
        self::assertSame('booted', $host->log());
        $answer = $host->get('PUT', '/p?a=1', ['Content-Type', 'text/plain'], 'body');
        self::assertSame(
            [201, ['PUT', 'http://example.org:8080/p?a=1', ['a' => '1'], 'body', '1'], ['b']],
            [$answer->status, json_decode($answer->body, true), $answer->headers['x-a']],
        );
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([], $host->next());
        self::assertSame(0, $host->end());
        self::assertSame(['terminated', 'stopping'], self::said($host));
    }

    public function testABootThatThrowsIsToldWithItsPlace(): void
    {
        foreach ([self::code('throw new Exception("no database");') => 'no database',
            "WorkerHost\\Bridge\\Octane::boot(__DIR__ . '/nowhere');" => 'composer require laravel/octane',
        ] as $code => $why) {
            $host = new FakeHost($code, php: FakeHost::FRANKENPHP);
            $host->hello();
            [$type, , $message, $trace] = $host->next();
            self::assertSame(Frame::FAILED, $type, $code);
            self::assertStringContainsString($why, $message);
            self::assertStringContainsString('#0 ', $trace);
            self::assertSame([1, ''], [$host->end(), $host->log()]); // no page of Laravel's in the log
        }
    }

    public function testWhatIsDumpedComesBeforeTheBody(): void
    {
        $answer = self::serving()->get('GET', '/dump');
        self::assertSame(200, $answer->status);
        self::assertMatchesRegularExpression('~seen.*after$~s', $answer->body);
    }

    public function testUploadsPassAndMove(): void
    {
        $host = self::serving();
        file_put_contents($path = $host->path('upload'), 'content');
        $answer = $host->get('POST', '/upload', ['Content-Type', 'multipart/form-data; boundary=x'], null,
            [-1, [['a', '1'], [['doc', 'a.txt', 'text/plain', 7, $path, 0]]]]);
        self::assertSame([true, 7, ['a' => '1']], json_decode($answer->body, true));
    }

    public function testAnExceptionThatTheKernelLetsPassIsA500(): void
    {
        foreach (['' => 'Internal server error.',
            'Illuminate\Foundation\Application::$config["app.debug"] = true;' => 'past the kernel'] as $boot => $text) {
            $host = self::serving($boot);
            $answer = $host->get('GET', '/throw');
            self::assertSame([500, "half $text"], [$answer->status, $answer->body]);
            self::assertSame(['reported past the kernel'], self::said($host));
        }
    }

    public function testAResponseThatFailsHalfWayIsNoWholeOne(): void
    {
        $host = self::serving();
        $answer = $host->get('GET', '/late');
        self::assertSame([200, 'begun', true], [$answer->status, $answer->body, $answer->reset !== null]);
        self::assertSame('reported half-way', self::said($host)[0]);
        $answer = $host->get('GET', '/early');
        self::assertSame([500, false], [$answer->status, str_contains($answer->body, 'begun')]);
        self::assertSame(201, $host->get()->status);
    }

    public function testAClientThatLeavesIsNoError(): void
    {
        $host = self::serving();
        $stream = $host->request('GET', '/endless');
        $host->next();
        $host->send([Frame::RESET, $stream, 1]);
        self::assertTrue($host->answer($stream)->done);
        self::assertSame('terminated', self::said($host)[0]);
        self::assertNotContains('error', array_column($host->logs, 2));
        self::assertSame(201, $host->get()->status);
    }

    public function testTicksRunInTheFirstSlotAloneUnlessTheyAreOff(): void
    {
        $host = self::serving();
        self::assertSame('tick', $host->nextLog()[3]);
        self::assertSame('tick', $host->nextLog()[3]);
        $off = self::serving('Illuminate\Foundation\Application::$config["octane.tick"] = false;');
        self::assertTrue($off->silent(1.2));
        $other = new FakeHost(self::code(), php: FakeHost::FRANKENPHP);
        $other->hello(slot: 1);
        self::assertSame(Frame::READY, $other->next()[0]);
        self::assertTrue($other->silent(1.2));
    }
}
