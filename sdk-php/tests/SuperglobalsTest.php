<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Older code finds what it reads where PHP puts it, and nothing of the request before. */
final class SuperglobalsTest extends TestCase
{
    public function testTheyAreAsUnderAnyWebServer(): void
    {
        $host = FakeHost::serving('Worker::create()->superglobals()->onRequest(fn () => [$_SERVER, $_GET, $_POST, '
            . '$_COOKIE, $_FILES, $_REQUEST])->run();');
        file_put_contents($path = $host->path('upload'), 'content');
        $form = [
            ['a[x]', '1', 'b', '2'],
            [['one', 'a.txt', 'text/plain', 7, $path, 0], ['docs[k][]', 'dir/b.txt', 'text/css', 7, $path, 0],
                ['docs[k][]', '', '', 0, '', 4]],
        ];
        $headers = [
            'Content-Type', 'multipart/form-data; boundary=x', 'Content-Length', '99', 'Cookie', 'a.b=1; c=%20; c=2',
            'X-Token', 't', 'Proxy', 'evil', 'X_Token', 'other',
            'Authorization', 'Basic ' . base64_encode('me:se:cret'),
        ];
        [$server, $get, $post, $cookie, $files,
            $request] = json_decode($host->get('POST', '/p%20q?g[]=1&b=0', $headers, null, [-1, $form])->body, true);
        $expected = [
            'REQUEST_METHOD' => 'POST', 'REQUEST_URI' => '/p%20q?g[]=1&b=0', 'QUERY_STRING' => 'g[]=1&b=0',
            'SERVER_PROTOCOL' => 'HTTP/1.1',
            'SERVER_NAME' => 'example.org', 'SERVER_PORT' => '8080', 'REMOTE_ADDR' => '192.0.2.1',
            'REMOTE_PORT' => '50000',
            'HTTP_HOST' => 'example.org:8080', 'HTTP_X_TOKEN' => 't', 'HTTP_COOKIE' => 'a.b=1; c=%20; c=2',
            'CONTENT_TYPE' => 'multipart/form-data; boundary=x', 'CONTENT_LENGTH' => '99',
            'SCRIPT_NAME' => '/worker.php', 'PHP_AUTH_USER' => 'me', 'PHP_AUTH_PW' => 'se:cret',
        ];
        foreach ($expected as $name => $value) {
            self::assertSame($value, $server[$name], $name);
        }
        self::assertArrayNotHasKey('HTTP_PROXY', $server);
        self::assertArrayNotHasKey('HTTPS', $server);
        self::assertSame(['g' => ['1'], 'b' => '0'], $get);
        self::assertSame(['a' => ['x' => '1'], 'b' => '2'], $post);
        self::assertSame(['g' => ['1'], 'b' => '2', 'a' => ['x' => '1']], $request);
        ksort($cookie);
        self::assertSame(['a_b' => '1', 'c' => ' '], $cookie);
        self::assertSame(
            ['name' => 'a.txt', 'full_path' => 'a.txt', 'type' => 'text/plain', 'tmp_name' => $path, 'error' => 0,
                'size' => 7],
            $files['one'],
        );
        self::assertSame(
            [
                'name' => ['k' => ['b.txt', '']], 'full_path' => ['k' => ['dir/b.txt', '']],
                'type' => ['k' => ['text/css', '']], 'tmp_name' => ['k' => [$path, '']],
                'error' => ['k' => [0, 4]], 'size' => ['k' => [7, 0]],
            ],
            $files['docs'],
        );
    }

    public function testNothingOfOneRequestIsLeftForTheNext(): void
    {
        $host = FakeHost::serving('Worker::create()->superglobals()->onRequest(function () { $seen = '
            . '[isset($_SERVER["HTTP_X_A"], $_SERVER["OWN"]), $_GET, $_POST, $_COOKIE]; $_GET["left"] = 1; '
                . '$_SERVER["OWN"] = 1; return $seen; })->run();');
        $host->get('POST', '/?a=1', ['X-A', '1', 'Cookie', 'c=1', 'Content-Type', 'application/x-www-form-urlencoded'],
            'p=1');
        self::assertSame('[false,[],[],[]]', $host->get()->body);
    }

    public function testASessionIsTheClientsOwn(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            ini_set('session.save_path', __DIR__);
            Worker::create()->superglobals()->onRequest(function (Request $request) {
                $request->path === '/echo' && print('to the log');
                $before = $_SESSION ?? null;
                $started = session_start();
                $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
                if ($request->path === '/closed') {
                    session_write_close();
                }

                return [$before, $started, $_SESSION['n'], session_id()];
            })->run();
            PHP);
        $id = null;
        foreach ([['/', 1], ['/closed', 2], ['/', 3], ['/echo', 4]] as [$path, $n]) {
            [$before, $started, $count, $own] = json_decode(
                $host->get('GET', $path, $id === null ? [] : ['Cookie', "PHPSESSID=$id"])->body, true);
            self::assertSame([null, true, $n], [$before, $started, $count], $path);
            self::assertSame($id ?? $own, $own);
            $id = $own;
            [$before, , $count, $other] = json_decode($host->get('GET', $path, ['Cookie', "PHPSESSID=../bad"])->body,
                true);
            self::assertSame([null, 1], [$before, $count], 'a client without a session got that of the one before');
            self::assertNotSame($id, $other);
        }
    }

    public function testAWorkerThatCannotForgetASessionEnds(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            ini_set('session.save_path', __DIR__);
            Worker::create()->superglobals()->onRequest(function (Request $request) {
                session_start();
                $request->body();
                while (ob_get_level() > 0) { ob_end_clean(); }
                echo 'printed by PHP itself';

                return session_id();
            })->run();
            PHP, php: FakeHost::OTHER);
        $first = $host->request('POST', '/', [], null, false);
        $second = $host->request();
        $host->send([Frame::DATA, $first, Frame::FLAG_END, 'the body']);
        self::assertNotSame('', $host->answer($first)->body);
        self::assertSame(Frame::CODE_REFUSED, $host->answer($second)->reset,
            'the next client must not find the session');
        self::assertStringContainsString('this worker ends', json_encode($host->logs));
        self::assertSame(0, $host->end());
    }

    public function testNorIsItHandedOnWithoutSuperglobals(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            ini_set('session.save_path', __DIR__);
            Worker::create()->onRequest(function () { session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; return [$_SESSION['n'], session_id()]; })->run();
            PHP);
        [$first, $id] = json_decode($host->get()->body, true);
        [$second, $other] = json_decode($host->get()->body, true);
        self::assertSame([1, 1], [$first, $second]);
        self::assertNotSame($id, $other);
    }

    public function testABodyThatIsStreamedStillSeesThem(): void
    {
        $host = FakeHost::serving('Worker::create()->superglobals()->onRequest(fn () => Response::stream((function '
            . '() { yield $_GET["a"]; })()))->run();');
        self::assertSame('1', $host->get('GET', '/?a=1')->body);
    }

    public function testWithCaptureTheEchoIsTheBody(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            file_put_contents(__DIR__ . '/page.php', '<h1><?= htmlspecialchars($_GET["name"]) ?></h1>');
            Worker::create()->superglobals(capture: true)->onRequest(function (Request $request) {
                switch ($request->path) {
                    case '/page': return include __DIR__ . '/page.php';
                    case '/head': Output::status(404); Output::header('X-A', 'b'); Output::cookie(new Cookie('c', 'd')); echo 'gone'; return;
                    case '/away': Output::redirect('/login'); return;
                    case '/response': echo 'first'; setcookie('a', 'b'); return Response::text('wins');
                    case '/nested': ob_start(); echo 'kept'; return;
                    case '/throw': echo 'half'; throw new Exception('x');
                }
            })->run();
            PHP);
        $answer = $host->get('GET', '/page?name=%3Cme%3E');
        self::assertSame(['<h1>&lt;me&gt;</h1>', ['text/html; charset=utf-8']],
            [$answer->body, $answer->headers['content-type']]);
        $answer = $host->get('GET', '/head');
        self::assertSame([404, 'gone', ['b'], ['c=d; Path=/; HttpOnly; SameSite=Lax']],
            [$answer->status, $answer->body, $answer->headers['x-a'], $answer->headers['set-cookie']]);
        $answer = $host->get('GET', '/away');
        self::assertSame([302, ['/login']], [$answer->status, $answer->headers['location']]);
        $answer = $host->get('GET', '/response');
        self::assertSame(['firstwins', ['a=b'], ['text/plain; charset=utf-8']],
            [$answer->body, $answer->headers['set-cookie'], $answer->headers['content-type']]);
        self::assertSame('kept', $host->get('GET', '/nested')->body);
        $answer = $host->get('GET', '/throw');
        self::assertSame(500, $answer->status);
        self::assertStringNotContainsString('half', $answer->body);
        self::assertSame([200, ''], [($answer = $host->get('GET', '/other'))->status, $answer->body]);
    }

    public function testOutputWithoutCaptureIsAMistakeThatSaysSo(): void
    {
        $host = FakeHost::serving(
            'Worker::create()->superglobals()->onRequest(function () { Output::status(404); })->run();');
        self::assertSame(500, $host->get()->status);
        self::assertStringContainsString('superglobals(capture: true)', $host->logs[0][3]);
    }
}
