<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** A real Symfony kernel with FrameworkBundle behind the bridge. */
final class SymfonyTest extends TestCase
{
    private const WORKER = <<<'PHP'
        use Symfony\Component\HttpFoundation as Http;
        require 'Symfony/Bundle/FrameworkBundle/autoload.php';
        final class Counter implements Symfony\Contracts\Service\ResetInterface {
            public int $count = 0;
            public function reset(): void { WorkerHost\Log::info("reset at $this->count"); $this->count = 0; }
        }
        final class Kernel extends Symfony\Component\HttpKernel\Kernel {
            use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
            public function registerBundles(): iterable { return [new Symfony\Bundle\FrameworkBundle\FrameworkBundle()]; }
            public function getProjectDir(): string { return __DIR__; }
            public function getCacheDir(): string { return __DIR__ . '/cache'; }
            public function getLogDir(): string { return __DIR__; }
            protected function configureContainer($container): void {
                $container->extension('framework', ['secret' => 's', 'router' => ['utf8' => true], 'http_method_override' => false, 'annotations' => false, 'session' => ['storage_factory_id' => 'session.storage.factory.native', 'handler_id' => null, 'save_path' => __DIR__]]);
                ini_set('session.save_path', __DIR__);
                $container->services()->set(Counter::class, Counter::class)->public()->autoconfigure()->tag('kernel.reset', ['method' => 'reset']);
            }
            protected function configureRoutes($routes): void { $routes->add('all', '/{what}')->controller([$this, 'answer'])->defaults(['what' => '']); }
            public function answer(Http\Request $r, string $what = ''): Http\Response {
                switch ($what) {
                    case 'count': return new Http\JsonResponse([++$this->getContainer()->get(Counter::class)->count]);
                    case 'cookie': $x = new Http\Response('c'); $x->headers->setCookie(Http\Cookie::create('a', 'b')); return $x;
                    case 'file': return new Http\BinaryFileResponse(__DIR__ . '/worker.php', 200, ['Content-Type' => 'text/plain']);
                    case 'elsewhere': file_put_contents($f = __DIR__ . '/elsewhere', 'elsewhere'); return (new Http\BinaryFileResponse($f, 200, ['Content-Type' => 'text/plain']))->deleteFileAfterSend();
                    case 'stream': return new Http\StreamedResponse(function () { for ($i = 0; $i < 50000; $i++) echo "$i\n"; });
                    case 'live': return new Http\StreamedResponse(function () { try { for (;;) { echo "data: x\n\n"; flush(); usleep(1000); } } finally { WorkerHost\Log::info('finally'); } }, 200, ['Content-Type' => 'text/event-stream']);
                    case 'ended': return new Http\StreamedResponse(function () { echo 'dropped'; while (ob_get_level()) { ob_end_clean(); } readfile(__DIR__ . '/small'); flush(); echo 'more'; });
                    case 'closed': return new Http\StreamedResponse(function () { echo 'a'; Http\Response::closeOutputBuffers(0, true); echo 'b'; ob_start(); echo 'c'; });
                    case 'flushed': return new Http\StreamedResponse(function () { echo 'a'; flush(); while (!is_file(__DIR__ . '/go')) { usleep(500); } echo 'b'; });
                    case 'cookies': return new Http\JsonResponse($r->cookies->all());
                    case 'broken': return new Http\StreamedResponse(function () { echo 'a'; ob_flush(); echo 'b'; throw new Exception('broke'); });
                    case 'throw': throw new RuntimeException('secret');
                    case 'error': if ($r->query->has('echo')) { echo 'cut'; } return new Http\Response(strlen(...[]));
                    case 'echo': echo 'echoed '; header('X-Own: 1'); header('X-Both: header'); setcookie('s', 't'); $x = new Http\Response('sent', 201, ['X-Both' => 'response', 'Content-Length' => '4']); $x->headers->setCookie(Http\Cookie::create('a', 'b')); return $x;
                    case 'dump': dump($_SERVER['REQUEST_URI'], [1]); return new Http\Response('seen');
                    case 'dd': dd('dumped', $_GET);
                    case 'echostream': echo 'before '; return new Http\StreamedResponse(function () { echo 'streamed'; });
                    case 'echofile': echo 'before'; return new Http\BinaryFileResponse(__DIR__ . '/worker.php', 200, ['Content-Type' => 'text/plain']);
                    case 'native': session_start(); $_SESSION['n'] = 1 + ($_SESSION['n'] ?? 0); return new Http\JsonResponse([$_SESSION['n'], session_id()]);
                    case 'session': $s = $r->getSession(); $s->set('n', 1 + $s->get('n', 0)); return new Http\JsonResponse([$s->get('n'), $s->getId()]);
                    case 'locale': return new Http\JsonResponse([Locale::getDefault(), $r->setLocale('fr'), Locale::getDefault()]);
                    case 'content': return new Http\Response($r->getContent());
                    case 'move': return new Http\Response($r->files->get('doc')->move(__DIR__, 'moved')->getSize() . ' ' . json_encode($r->files->get('none')) . $r->request->get('a'));
                }
                return new Http\JsonResponse([$r->getMethod(), $r->getUri(), $r->getClientIp(), $r->query->all(), $r->request->all(), $r->cookies->all(), $r->headers->get('x-a'), $r->getScriptName(), $r->getPathInfo(), $r->isSecure()]);
            }
            public function terminate(Http\Request $request, Http\Response $response) { WorkerHost\Log::info('terminate ' . $request->getPathInfo()); parent::terminate($request, $response); }
        }
        Worker::create()->onRequest(WorkerHost\Bridge\Symfony::create(fn () => new Kernel("prod", false)))->run();
        PHP;

    private FakeHost $host;

    protected function setUp(): void
    {
        if (stream_resolve_include_path('Symfony/Bundle/FrameworkBundle/autoload.php') === false) {
            self::markTestSkipped('php-symfony-framework-bundle is not installed');
        }
        $this->host = FakeHost::serving(self::WORKER, directory: __DIR__);
    }

    public function testTheKernelSeesTheWholeRequest(): void
    {
        $answer = $this->host->get('POST', '/?q[]=1',
            ['Content-Type', 'application/x-www-form-urlencoded', 'Cookie', 'c=d', 'X-A', 'b'], 'f[x]=1');
        self::assertSame(
            ['POST', 'http://example.org:8080/?q%5B0%5D=1', '192.0.2.1', ['q' => ['1']], ['f' => ['x' => '1']],
                ['c' => 'd'], 'b', '/worker.php', '/', false],
            json_decode($answer->body, true),
        );
        $stream = $this->host->request('POST', '/content', ['Content-Type', 'application/json'], '{"a":', false);
        $this->host->send([Frame::DATA, $stream, 1, '1}']);
        self::assertSame('{"a":1}', $this->host->answer($stream)->body);
        self::assertSame('abc', $this->host->get('POST', '/content', [], 'abc')->body);
        file_put_contents($path = $this->host->path('upload'), 'content');
        $form = [['a', '1'], [['doc', 'a.txt', 'text/plain', 7, $path, 0], ['none', '', '', 0, '', 4]]];
        self::assertSame('7 null1', $this->host->get('POST', '/move',
            ['Content-Type', 'multipart/form-data; boundary=x'], null, [-1, $form])->body);
        self::assertSame(['a=b; path=/; httponly; samesite=lax'],
            $this->host->get('GET', '/cookie')->headers['set-cookie']);
    }

    public function testWhatIsWrongWithTheRoutesFailsTheBoot(): void
    {
        $code = str_replace("\$routes->add('all'", "\$routes->import(__DIR__ . '/nowhere.php'); \$routes->add('all'",
            self::WORKER, $replaced);
        self::assertSame(1, $replaced);
        $host = new FakeHost($code);
        $host->hello();
        [$type, , $message] = $host->next();
        self::assertSame(Frame::FAILED, $type);
        self::assertStringContainsString('nowhere.php', $message);
    }

    public function testTerminateAndResetRunBetweenEndAndDone(): void
    {
        $answer = $this->host->get('GET', '/count');
        self::assertSame([[Frame::RESPONSE, Frame::DONE], '[1]'], [$answer->types, $answer->body]);
        self::assertSame(['terminate /count', 'reset at 1'], array_column($this->host->logs, 3));
        self::assertSame('[1]', $this->host->get('GET', '/count')->body);
    }

    public function testTheVisitorsLocaleEndsWithTheRequest(): void
    {
        if (!extension_loaded('intl')) {
            self::markTestSkipped('php-intl is not installed');
        }
        $worker = 'Locale::setDefault("de");' . str_replace('->run();',
            '->onStop(fn () => Log::info("locale " . Locale::getDefault()))->run();', self::WORKER);
        $host = FakeHost::serving($worker, php: FakeHost::WHOLE, directory: __DIR__);
        self::assertSame('["en",null,"fr"]', $host->get('GET', '/locale')->body);
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([], $host->next());
        self::assertSame('locale de', end($host->logs)[3]);
    }

    public function testAStreamedResponseIsStreamed(): void
    {
        $answer = $this->host->get('GET', '/stream');
        self::assertSame(md5(implode("\n", range(0, 49999)) . "\n"), md5($answer->body));
        self::assertGreaterThan(10, count($answer->types));
        self::assertLessThan(40, count($answer->types));
        self::assertSame('terminate /stream', $this->host->logs[0][3]);
    }

    public function testAStreamedResponseMayDoWithOutputBuffersWhatItLikes(): void
    {
        file_put_contents($this->host->path('small'), 'a file');
        foreach (['ended' => 'a filemore', 'closed' => 'abc', 'ended ' => 'a filemore'] as $path => $expected) {
            $answer = $this->host->get('GET', '/' . trim($path));
            self::assertSame([200, $expected, true], [$answer->status, $answer->body, $answer->ended]);
        }
        $stream = $this->host->request('GET', '/flushed');
        self::assertSame('a', $this->host->next()[5]);
        touch($this->host->path('go'));
        self::assertSame('b', $this->host->answer($stream)->body);
        self::assertStringNotContainsString('file', $this->host->log());
    }

    public function testCookiesAreThoseOfPhp(): void
    {
        self::assertSame('{"a_b":"\u0022x\u0022","p":["1","2"]}',
            $this->host->get('GET', '/cookies', ['Cookie', 'a.b="x"; p[]=1; p[]=2'])->body);
    }

    public function testAStreamedResponseIsStoppedWhenTheClientLeaves(): void
    {
        $stream = $this->host->request('GET', '/live');
        self::assertSame("data: x\n\n", $this->host->next()[5], 'each echo at once');
        $this->host->send([Frame::RESET, $stream, 1]);
        self::assertTrue($this->host->answer($stream, false)->done);
        self::assertSame('finally', $this->host->logs[0][3]);
        self::assertStringNotContainsString('data: x', $this->host->log());
        self::assertSame('[1]', $this->host->get('GET', '/count')->body);
    }

    public function testAStreamedResponseThatThrowsIsAborted(): void
    {
        $answer = $this->host->get('GET', '/broken');
        self::assertSame(['a', false, Frame::CODE_INTERNAL], [$answer->body, $answer->ended, $answer->reset]);
        self::assertContains('terminate /broken', array_column($this->host->logs, 3));
    }

    public function testAFileBelowTheDirectoryOfTheWorkerIsLeftToTheHost(): void
    {
        $answer = $this->host->get('GET', '/elsewhere');
        self::assertSame(['elsewhere', null], [$answer->body, $answer->file]);
        self::assertFileDoesNotExist($this->host->path('elsewhere'));
        $answer = $this->host->get('GET', '/file', ['Range', 'bytes=2-5']);
        self::assertSame([206, "php\n", null], [$answer->status, $answer->body, $answer->file],
            'elsewhere: Symfony serves the range');

        $host = FakeHost::serving(self::WORKER, directory: sys_get_temp_dir());
        $answer = $host->get('GET', '/file', ['Range', 'bytes=2-5']);
        self::assertSame([200, realpath($host->path('worker.php')), ''],
            [$answer->status, $answer->file, $answer->body]);
        self::assertArrayNotHasKey('content-range', $answer->headers);
    }

    public function testAnExceptionIsTheKernelsToAnswer(): void
    {
        $answer = $this->host->get('GET', '/throw');
        self::assertSame(500, $answer->status);
        self::assertStringNotContainsString('secret', $answer->body);
    }

    public function testAnErrorIsTheKernelsToAnswerToo(): void
    {
        $exception = $this->host->get('GET', '/throw')->body;
        foreach (['/error', '/error?echo'] as $path) {
            $answer = $this->host->get('GET', $path);
            self::assertSame(500, $answer->status);
            self::assertStringContainsString('The server returned a "500 Internal Server Error"', $exception);
            self::assertSame((str_contains($path, 'echo') ? 'cut' : '') . $exception, $answer->body);
        }
        self::assertStringContainsString('strlen() expects exactly 1 argument', $this->host->log());
        self::assertContains('terminate /error', array_column($this->host->logs, 3));
        self::assertSame('[1]', $this->host->get('GET', '/count')->body);
    }

    public function testWhatIsPrintedComesBeforeTheBodyAndHeadersGoBesideThoseOfTheResponse(): void
    {
        $answer = $this->host->get('GET', '/echo');
        self::assertSame([201, 'echoed sent'], [$answer->status, $answer->body]);
        self::assertSame([['1'], ['response'], ['s=t', 'a=b; path=/; httponly; samesite=lax']],
            [$answer->headers['x-own'], $answer->headers['x-both'], $answer->headers['set-cookie']]);
        self::assertArrayNotHasKey('content-length', $answer->headers);
        self::assertSame('before streamed', $this->host->get('GET', '/echostream')->body);
        self::assertSame('sent', substr($this->host->get('GET', '/echo')->body, 7), 'nothing is left of the others');
        self::assertStringNotContainsString('before', $this->host->log());
        $file = '<?php' . substr(file_get_contents($this->host->path('worker.php')), 5);
        self::assertSame("before$file", $this->host->get('GET', '/echofile')->body);
        $host = FakeHost::serving(self::WORKER, directory: sys_get_temp_dir());
        self::assertSame(500, $host->get('GET', '/echofile')->status);
        self::assertStringContainsString('no place for it: a file', json_encode($host->logs));
    }

    public function testDumpsAreSeenInTheBrowser(): void
    {
        $answer = $this->host->get('GET', '/dump');
        self::assertMatchesRegularExpression('~<pre class=sf-dump.*/dump.*seen$~s', $answer->body);
        $answer = $this->host->get('GET', '/dd?a=b');
        self::assertTrue($answer->ended);
        self::assertMatchesRegularExpression('~<pre class=sf-dump.*dumped.*sf-dump-str.*b~s', $answer->body);
    }

    public function testSessionsFollowTheClientWhoeverComesBetween(): void
    {
        foreach (['/native', '/session'] as $path) {
            $clients = [];
            foreach ([1, 2, 3] as $visit) {
                foreach (['a', 'b'] as $client) {
                    $answer = $this->host->get('GET', $path, isset($clients[$client]) ? ['Cookie', $clients[$client]]
                        : []);
                    [$count, $id] = json_decode($answer->body, true);
                    self::assertSame([200, $visit], [$answer->status, $count], "$path by $client");
                    self::assertCount($visit === 1 ? 1 : 0, $answer->headers['set-cookie'] ?? []);
                    $clients[$client] ??= explode(';', $answer->headers['set-cookie'][0])[0];
                    self::assertSame("PHPSESSID=$id", $clients[$client]);
                }
            }
            self::assertNotSame($clients['a'], $clients['b']);
        }
    }
}
