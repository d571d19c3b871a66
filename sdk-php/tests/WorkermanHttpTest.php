<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\Answer;
use WorkerHost\Tests\Support\FakeHost;

/** Requests, responses and sessions as a program for Workerman meets them. */
final class WorkermanHttpTest extends TestCase
{
    private const PHP = [...FakeHost::PHP, '-d', 'auto_prepend_file=' . __DIR__ . '/../workerman.php'];
    private const START = <<<'PHP'
        use Workerman\{Worker as W, Timer};
        use Workerman\Connection\TcpConnection;
        use Workerman\Protocols\Http\{Chunk, ServerSentEvents, Session};
        use Workerman\Protocols\Http\Request as R;
        use Workerman\Protocols\Http\Response as A;
        $w = new W('http://127.0.0.1:8080');

        PHP;

    private static function program(string $code): FakeHost
    {
        return FakeHost::serving(self::START . $code . "\nW::runAll();", php: self::PHP);
    }

    /** A program that answers with what the expression on $r, the request, says, as JSON. */
    private static function telling(string $expression): FakeHost
    {
        return self::program("\$w->onMessage = fn (\$c, \$r) => \$c->send(json_encode($expression));");
    }

    /** @param list<string> $headers */
    private static function told(string $expression, array $headers = [], ?string $body = null, string $method = 'GET',
        string $target = '/a/b?x=1&y[]=2', array $more = []): mixed
    {
        return json_decode(self::telling($expression)->get($method, $target, $headers, $body, $more)->body, true);
    }

    public function testARequestIsRead(): void
    {
        self::assertSame(['GET', '/a/b', '/a/b?x=1&y[]=2', 'x=1&y[]=2', '1.1', 'example.org:8080', 'example.org', '1', ['x' => '1',
            'y' => ['2']], 'none', 'a,b', null, 'default', "GET /a/b?x=1&y[]=2 HTTP/1.1\r\nhost: example.org:8080\r\nx-a: a\r\nx-a: b"],
            self::told('[$r->method(), $r->path(), $r->uri(), $r->queryString(), $r->protocolVersion(), $r->host(), '
                . '$r->host(true), $r->get("x"), $r->get(), $r->get("z", "none"), $r->header("x-a"), $r->header("x-b"), '
                . '$r->header("x-b", "default"), $r->rawHead()]', ['X-A', 'a', 'X-A', 'b']));
    }

    public function testCookiesAreReadAsTheyCame(): void
    {
        self::assertSame([['a' => 'x%20y', 'b' => '"q"', 'c' => ''], 'x%20y', 'd'], self::told(
            '[$r->cookie(), $r->cookie("a"), $r->cookie("z", "d")]', ['Cookie', 'a=x%20y; b="q"; novalue; c=']));
    }

    public function testABodyIsRead(): void
    {
        $both = '[$r->post(), $r->rawBody(), $r->post("n", "none")]';
        self::assertSame([['a' => '1', 'b' => ['c' => '2']], 'a=1&b[c]=2', 'none'],
            self::told($both, ['Content-Type', 'application/x-www-form-urlencoded'], 'a=1&b[c]=2', 'POST'));
        self::assertSame([['n' => 3], '{"n":3}', 3], self::told($both, ['Content-Type', 'application/json'], '{"n":3}',
            'POST'));
    }

    public function testUploadsAreNestedAsTheyAreNamed(): void
    {
        $file = fn (string $field, string $name): array => [$field, $name, 'text/plain', 2, '/nowhere', 0];
        $told = self::told('[$r->file("f")["name"], $r->file("g")[1]["full_path"], $r->file("h")["x"]["type"], '
            . '$r->file("none"), array_keys($r->file()), $r->post("t")]', ['Content-Type', 'multipart/form-data; '
            . 'boundary=b'], '', 'POST', more: [2, [['t', '1'], [$file('f', 'a.txt'), $file('g[]', 'b.txt'),
                $file('g[]', 'c.txt'), $file('h[x]', 'd.txt')]]]);
        self::assertSame(['a.txt', 'c.txt', 'text/plain', null, ['f', 'g', 'h'], '1'], $told);
    }

    public function testAResponseIsSent(): void
    {
        $host = self::program(<<<'PHP'
            $w->onMessage = function (TcpConnection $c, R $r) {
                $file = __DIR__ . '/f.txt';
                file_put_contents($file, '0123456789');
                $c->headers = ['X-Mine' => 'of the connection'];
                $c->send(match ($r->path()) {
                    '/text' => 'text',
                    '/made' => (new A(201, ['X-A' => 'b', 'Content-Length' => '3'], 'made'))->withHeader('X-C', 'd')
                        ->withHeaders(['X-E' => ['f', 'g']])->header('X-H', 'i')->withoutHeader('X-A')
                        ->cookie('k', 'a b', 60, '/p', 'example.org', true, true, 'Lax')->cookie('l', 'm'),
                    '/later' => (new A())->withStatus(404, 'Gone Fishing')->withBody('no'),
                    '/redirect' => new A(302, ['Location' => '/text']),
                    '/file' => (new A(200, ['Content-Type' => 'x/y']))->withFile($file),
                    '/part' => (new A())->withFile($file, 2, 3),
                    '/rest' => (new A())->withFile($file, 8),
                    '/none' => (new A())->withFile("$file.none"),
                    '/empty' => new A(204),
                });
            };
            PHP);
        $get = static function (string $path) use ($host): Answer {
            $answer = $host->get('GET', $path);
            self::assertSame(['of the connection'], $answer->headers['x-mine']);
            unset($answer->headers['x-mine']);

            return $answer;
        };
        $html = ['text/html;charset=utf-8'];
        $a = $get('/text');
        self::assertSame([200, 'text', ['content-type' => $html]], [$a->status, $a->body, $a->headers]);
        $a = $get('/made');
        self::assertSame([201, 'made', ['x-c' => ['d'], 'x-e' => ['f', 'g'], 'x-h' => ['i'], 'set-cookie' => [
            'k=a%20b; Domain=example.org; Max-Age=60; Path=/p; Secure; HttpOnly; SameSite=Lax', 'l=m'],
            'content-type' => $html]], [$a->status, $a->body, $a->headers]);
        $a = $get('/later');
        self::assertSame([404, 'no'], [$a->status, $a->body]);
        self::assertSame([302, ['/text']], [($a = $get('/redirect'))->status, $a->headers['location']]);
        $a = $get('/file');
        self::assertSame([200, 'f.txt', ['x/y']], [$a->status, basename($a->file), $a->headers['content-type']]);
        $a = $get('/part');
        self::assertSame([206, '234', ['bytes 2-4/10']], [$a->status, $a->body, $a->headers['content-range']]);
        $a = $get('/rest');
        self::assertSame([206, '89', ['bytes 8-9/10']], [$a->status, $a->body, $a->headers['content-range']]);
        self::assertSame(404, $get('/none')->status);
        self::assertSame([204, []], [($a = $get('/empty'))->status, $a->headers]);
    }

    public function testASessionOutlivesItsRequest(): void
    {
        $host = self::program(<<<'PHP'
            Workerman\Protocols\Http\Session\FileSessionHandler::sessionSavePath(__DIR__ . '/sessions');
            $w->onMessage = function (TcpConnection $c, R $r) {
                $s = $r->session();
                $c->send(json_encode(match ($r->path()) {
                    '/set' => [$s->set('n', 1), $s->put(['a' => 2, 'b' => null]), $s->all()],
                    '/get' => [$s->get('n'), $s->get('z', 'none'), $s->has('b'), $s->exists('b'), $s->all()],
                    '/pull' => [$s->pull('n'), $s->get('n'), $s->forget(['a', 'b']), $s->all()],
                    '/flush' => [$s->set('n', 1), $s->flush(), $s->all()],
                    '/again' => [$r->sessionId() === $r->sessionRegenerateId(true), $r->session()->get('n')],
                    '/old' => [$s->all()],
                    '/own' => [$r->sessionId('a-name,of16bytes')],
                }));
            };
            PHP);
        $a = $host->get('GET', '/set');
        self::assertSame([null, null, ['n' => 1, 'a' => 2, 'b' => null]], json_decode($a->body, true));
        self::assertSame(1, preg_match('~^(PHPSID=([a-zA-Z0-9,-]{16,256})); Path=/$~', $a->headers['set-cookie'][0], $id));
        $get = static fn (string $path, string $cookie): array => [json_decode(($a = $host->get('GET', $path,
            ['Cookie', $cookie]))->body, true), $a->headers['set-cookie'][0] ?? null];
        self::assertSame([[1, 'none', false, true, ['n' => 1, 'a' => 2, 'b' => null]], null], $get('/get', $id[1]));
        self::assertSame([[1, 'none', false, true, ['n' => 1, 'a' => 2, 'b' => null]], null],
            $get('/get', "PHPSID=\"$id[2]\""));
        [$said, $cookie] = $get('/again', $id[1]);
        self::assertSame([false, 1], $said);
        self::assertSame([[[]], null], $get('/old', $id[1]));
        $id = strstr($cookie, ';', true);
        self::assertSame([1, null, null, []], $get('/pull', $id)[0]);
        self::assertSame([[[]], null], $get('/old', $id));
        self::assertSame([null, null, []], $get('/flush', $id)[0]);
        self::assertSame('a-name,of16bytes', $get('/own', $id)[0][0]);
        foreach (['PHPSID=short', 'PHPSID=../../../../etc/passwd', 'PHPSID=a%00b0123456789abcdef'] as $forged) {
            [$said, $cookie] = $get('/old', $forged);
            self::assertNotNull($cookie, $forged);
            self::assertStringNotContainsString(substr($forged, 7), $cookie);
        }
    }

    public function testAnExpiredSessionIsEmpty(): void
    {
        $host = self::program(<<<'PHP'
            Workerman\Protocols\Http\Session\FileSessionHandler::sessionSavePath(__DIR__ . '/sessions');
            $w->onMessage = function (TcpConnection $c, R $r) {
                $n = $r->session()->get('n', 0);
                $r->session()->set('n', $n + 1);
                $r->session()->save();
                touch(__DIR__ . '/sessions/session_' . $r->sessionId(), time() - Session::$lifetime + (int) $r->get('late'));
                $c->send((string) $n);
            };
            PHP);
        $cookie = ['Cookie', 'PHPSID=0123456789abcdef'];
        self::assertSame('0', $host->get('GET', '/?late=60', $cookie)->body);
        self::assertSame('1', $host->get('GET', '/?late=-60', $cookie)->body);
        self::assertSame('0', $host->get('GET', '/?late=60', $cookie)->body);
    }

    /** Handlers of Workerman's own interface, and of PHP's. */
    public function testSessionsAreKeptByAnotherHandler(): void
    {
        foreach (['Workerman\Protocols\Http\Session\SessionHandlerInterface', 'SessionHandlerInterface'] as $interface) {
            $gc = $interface === 'SessionHandlerInterface' ? 'int|false' : 'bool';
            $host = self::program("set_error_handler(fn (\$l, \$m) => throw new ErrorException(\$m)); eval(<<<'CODE'
                class Kept implements $interface {
                    private array \$all = [];
                    public function __construct(\$config) { echo \"config \$config[host]\"; }
                    public function open(string \$path, string \$name): bool { return true; }
                    public function close(): bool { return true; }
                    public function read(string \$id): string|false { return \$this->all[\$id] ?? ''; }
                    public function write(string \$id, string \$data): bool { \$this->all[\$id] = \$data; return true; }
                    public function updateTimestamp(string \$id, string \$data = ''): bool { return true; }
                    public function destroy(string \$id): bool { unset(\$this->all[\$id]); return true; }
                    public function gc(int \$life): $gc { return false; }
                }
                CODE);
                Session::handlerClass(Kept::class, ['host' => 'h']);
                \$w->onMessage = function (\$c, \$r) {
                    \$r->session()->set('n', \$r->session()->get('n', 0) + 1);
                    \$c->send((string) \$r->session()->get('n'));
                };");
            $cookie = ['Cookie', 'PHPSID=0123456789abcdef'];
            self::assertSame(['1', '2'], [$host->get('GET', '/', $cookie)->body, $host->get('GET', '/', $cookie)->body]);
            self::assertStringContainsString('config h', $host->printed[1]);
        }
    }

    public function testPhpIniSaysHowSessionCookiesAre(): void
    {
        $php = [...self::PHP, '-d', 'session.cookie_lifetime=99', '-d', 'session.cookie_httponly=1', '-d',
            'session.cookie_path=/p'];
        $host = FakeHost::serving(self::START . '$w->onMessage = fn ($c, $r) => $c->send($r->sessionId()); '
            . 'W::runAll();', php: $php);
        self::assertStringEndsWith('; Max-Age=99; Path=/p; HttpOnly', $host->get()->headers['set-cookie'][0]);
    }
}
