<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** A PSR-15 handler with Nyholm's PSR-7 behind the bridge. */
final class Psr15Test extends TestCase
{
    private const WORKER = <<<'PHP'
        require 'Nyholm/Psr7/autoload.php';
        if (!interface_exists('Psr\Http\Server\RequestHandlerInterface')) {
            eval('namespace Psr\Http\Server; interface RequestHandlerInterface { public function handle(\Psr\Http\Message\ServerRequestInterface $request): \Psr\Http\Message\ResponseInterface; }');
        }
        final class Handler implements Psr\Http\Server\RequestHandlerInterface {
            public function handle(Psr\Http\Message\ServerRequestInterface $r): Psr\Http\Message\ResponseInterface {
                $response = new Nyholm\Psr7\Response(202, ['X-A' => ['1', '2']]);
                switch ($r->getUri()->getPath()) {
                    case '/session':
                        session_start();
                        $_SESSION['n'] = 1 + ($_SESSION['n'] ?? 0);
                        echo $_COOKIE['lang'] ?? '-', $_SERVER['REQUEST_METHOD'], $_POST['f'] ?? '-', $_GET['q'] ?? '-', ' ';
                        $response->getBody()->write((string) $_SESSION['n']);
                        return $r->getUri()->getQuery() === 'throw' ? throw new Exception('thrown') : $response;
                    case '/callback': return (new Nyholm\Psr7\Response(202, ['X-Accel-Buffering' => 'no', 'Content-Type' => 'text/plain']))->withBody(new Callback(
                        function () { echo 'a'; ob_get_level() && ob_flush(); flush(); echo 'b'; return 'c'; }));
                    case '/none': echo 'x'; return new Nyholm\Psr7\Response(204);
                    case '/long': return $response->withBody(Nyholm\Psr7\Stream::create(str_repeat('x', 200000)));
                    case '/body': return $response->withBody(Nyholm\Psr7\Stream::create((string) $r->getBody()));
                    case '/stream': $in = $r->getBody(); $n = 0; while (!$in->eof()) $n += strlen($in->read(8192)); return $response->withBody(Nyholm\Psr7\Stream::create((string) $n));
                }
                $files = $r->getUploadedFiles();
                $response->getBody()->write(json_encode([
                    $r->getMethod(), (string) $r->getUri(), $r->getRequestTarget(), $r->getHeaders(), $r->getQueryParams(), $r->getCookieParams(), $r->getParsedBody(),
                    $files ? [(string) $files['doc'][0]->getStream(), $files['doc'][0]->getClientFilename(), $files['doc'][1]->getError()] : null,
                    $r->getServerParams()['REMOTE_ADDR'],
                ]));
                return $response;
            }
        }
        // As Diactoros and CakePHP have it: a body that can't be read, but is made when it is asked for its string.
        final class Callback implements Psr\Http\Message\StreamInterface {
            public function __construct(private ?Closure $make) {}
            public function __toString(): string { [$make, $this->make] = [$this->make, null]; return (string) $make(); }
            public function getSize() { return null; }
            public function eof() { return $this->make === null; }
            public function isReadable() { return false; }
            public function isSeekable() { return false; }
            public function isWritable() { return false; }
            public function close() {}
            public function detach() {}
            public function getContents() { return (string) $this; }
            public function getMetadata($key = null) {}
            public function read($length) { throw new RuntimeException('it can not be read'); }
            public function rewind() { throw new RuntimeException(); }
            public function seek($offset, $whence = SEEK_SET) { throw new RuntimeException(); }
            public function tell() { throw new RuntimeException(); }
            public function write($string) { throw new RuntimeException(); }
        }
        ini_set('session.save_path', __DIR__);
        $f = new Nyholm\Psr7\Factory\Psr17Factory();
        Worker::create()->onRequest(WorkerHost\Bridge\Psr15::create(fn () => new Handler(), $f, $f, $f, $f))->run();
        PHP;

    protected function setUp(): void
    {
        if (stream_resolve_include_path('Nyholm/Psr7/autoload.php') === false) {
            self::markTestSkipped('php-nyholm-psr7 is not installed');
        }
    }

    public function testABridgesWorkerMayHandleConnectionsToo(): void
    {
        $host = FakeHost::serving(str_replace('Worker::create()',
            'Worker::create()->onMessage(fn (Connection $c, string $data) => $c->send("echo $data"))', self::WORKER));
        self::assertSame('echo hi', $host->deliver('hi')[0][5]);
        self::assertSame(202, $host->get()->status);
        self::assertSame('echo you', $host->deliver('you')[0][5]);
    }

    public function testTheHandlerSeesTheWholeRequest(): void
    {
        $host = FakeHost::serving(self::WORKER);
        file_put_contents($path = $host->path('upload'), 'content');
        $form = [['a[]', '1'], [['doc[]', 'a.txt', 'text/plain', 7, $path, 0], ['doc[]', '', '', 0, '', 4]]];
        $answer = $host->get('POST', '/p?q[]=1',
            ['Content-Type', 'multipart/form-data; boundary=x', 'Cookie', 'c=d', 'X-B', '1', 'x-b', '2'], null,
            [-1, $form]);
        self::assertSame([202, ['1', '2']], [$answer->status, $answer->headers['x-a']]);
        [$method, $uri, $target, $headers, $query, $cookies, $parsed, $files, $remote] = json_decode($answer->body,
            true);
        self::assertSame(['POST', 'http://example.org:8080/p?q%5B%5D=1', '192.0.2.1'], [$method, $uri, $remote]);
        self::assertSame([['1', '2'], ['example.org:8080']],
            [$headers['x-b'], array_change_key_case($headers)['host']]);
        self::assertSame([['q' => ['1']], ['c' => 'd'], ['a' => ['1']], ['content', 'a.txt', 4]],
            [$query, $cookies, $parsed, $files]);
        self::assertSame('*', json_decode($host->get('OPTIONS', '*')->body, true)[2]);
    }

    public function testBodiesAreStreamedBothWays(): void
    {
        $host = FakeHost::serving(self::WORKER);
        $answer = $host->get('GET', '/long');
        self::assertSame([str_repeat('x', 200000), true], [$answer->body, $answer->ended]);
        self::assertSame('abc', $host->get('POST', '/body', [], 'abc')->body);
        $stream = $host->request('GET', '/callback');
        self::assertSame([Frame::RESPONSE, 0, 202, 'a'], [($said = $host->next())[0], $said[2], $said[3], $said[5]]);
        self::assertSame('bc', $host->answer($stream)->body);
        foreach (['/body' => 'abcd', '/stream' => '4'] as $target => $expected) {
            $stream = $host->request('POST', $target, [], 'ab', false);
            $host->send([Frame::DATA, $stream, 1, 'cd']);
            self::assertSame($expected, $host->answer($stream)->body);
        }
    }

    public function testAHandlerOfThisSdkMayReturnAPsr7Response(): void
    {
        $host = FakeHost::serving("require 'Nyholm/Psr7/autoload.php'; Worker::create()->onRequest(fn () => new "
            . "Nyholm\\Psr7\\Response(201, ['A' => 'b'], 'psr'))->run();");
        self::assertSame([201, 'psr', ['content-type' => ['text/html; charset=utf-8'], 'a' => ['b']]],
            [($answer = $host->get())->status, $answer->body, $answer->headers]);
    }

    public function testSessionsAndSuperglobalsAreThoseOfTheRequest(): void
    {
        $host = FakeHost::serving(self::WORKER);
        $cookies = [];
        foreach ([1, 2] as $visit) {
            foreach (['a', 'b'] as $client) {
                $sent = isset($cookies[$client]) ? "; {$cookies[$client]}" : '';
                $answer = $host->get('POST', '/session?q=1',
                    ['Content-Type', 'application/x-www-form-urlencoded', 'Cookie', "lang=de$sent"], 'f=2');
                self::assertSame([202, "dePOST21 $visit"], [$answer->status, $answer->body], $client);
                self::assertSame(['no-store, no-cache, must-revalidate'], $answer->headers['cache-control']);
                self::assertCount($visit === 1 ? 1 : 0, $answer->headers['set-cookie'] ?? []);
                $cookies[$client] ??= explode(';', $answer->headers['set-cookie'][0])[0];
            }
        }
        self::assertSame(500, $host->get('GET', '/session?throw', ['Cookie', $cookies['a']])->status);
        self::assertSame('-GET-- 1', $host->get('GET', '/session')->body, 'nobody is in the session of another');
    }

    public function testWhatIsPrintedForAResponseWithoutABodyFailsTheRequest(): void
    {
        $host = FakeHost::serving(self::WORKER);
        self::assertSame(500, $host->get('GET', '/none')->status);
        self::assertStringContainsString('no place for it: one with status 204', end($host->logs)[3]);
    }
}
