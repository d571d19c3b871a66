<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** header() and its kin do what PHP's own do behind a web server: the same pages run under `php -S`, too. */
final class HeadTest extends TestCase
{
    /** Runs a function, and tells what it returned or threw, and the warnings. */
    private const TRIED = <<<'PHP'
        <?php
        $tried = function (callable $try): array {
            $warnings = [];
            set_error_handler(function ($type, $text) use (&$warnings) { $warnings[] = $text; return true; });
            try {
                $returned = $try();
            } catch (\Throwable $e) {
                $returned = $e::class . ': ' . $e->getMessage();
            } finally {
                restore_error_handler();
            }

            return [$returned, $warnings];
        };
        $out = [];
        PHP;

    private const HEADERS = <<<'PHP'
        $out[] = [http_response_code(), http_response_code(201), http_response_code(0), headers_list(), headers_sent($file, $line), $file, $line];
        header('Location: /a'); $out[] = http_response_code();
        http_response_code(200); header('location:/b'); $out[] = http_response_code();
        http_response_code(200); header('Location: /c', true, 301); $out[] = http_response_code();
        header('Location: /d'); $out[] = http_response_code();
        header('Location: /e', true, 500); $out[] = http_response_code();
        header('WWW-Authenticate: Basic'); $out[] = http_response_code();
        header('HTTP/1.1 404 Not Found'); $out[] = http_response_code();
        header('http/1.0  410'); $out[] = http_response_code();
        header('X-A: 1'); header('x-a: 2', false); header('X-B:3  '); header('x-b: 4', false); header('X-None:'); header("X-Line: a\r\n"); $out[] = headers_list();
        header('X-A: only'); $out[] = headers_list();
        header_remove('x-b'); header_remove('X-Unknown'); $out[] = headers_list();
        foreach (['text/plain', 'text/html; charset=latin1', 'application/json', 'TEXT/css'] as $type) { header("Content-Type: $type"); $out[] = headers_list(); }
        foreach (["X: a\nY: b", "X: a\rY: b", "X: a\0b", ''] as $line) { $out[] = $tried(fn () => header($line)); }
        $out[] = $tried(fn () => header_remove('X-A:'));
        header_remove(); $out[] = [headers_list(), http_response_code()];
        PHP;

    private const COOKIES = <<<'PHP'
        foreach ([
            ['a'], ['a', 'b c;+ü'], ['a', ''], ['', 'x'], ['a=b', 'x'], ["a\013", 'x'], ['a', 'x', 1893456000], ['a', 'x', 1], ['a', 'x', -5], ['a', 'x', 0, '/p', 'd', true, true],
            ['a', 'x', 0, '/p;q'], ['a', 'x', 0, '', 'd d'], ['a', 'x', ['expires' => 1893456000, 'path' => '/', 'domain' => 'd', 'secure' => true, 'httponly' => true, 'samesite' => 'Lax']],
            ['a', 'x', ['Path' => '/', 'foo' => 1]], ['a', 'x', ['path' => '/;']], ['a', 'x', ['domain' => ' ']], ['a', 'x', ['path' => '/'], '/q'], ['a', 'x', 253402300800],
            ['a', 'x', 253402300799], ['a', 'x', ['expires' => 253402300800]], ['a', 'x', ['expires' => 'abc', 'secure' => 0, 'samesite' => '']], ['a', 'x', [7 => 'y']], ['a', 'b%20c'],
        ] as $arguments) {
            foreach (['setcookie', 'setrawcookie'] as $function) {
                header_remove();
                $out[] = [$arguments, $tried(fn () => $function(...$arguments)), preg_replace('/Max-Age=\d\d+/', 'Max-Age=N', headers_list())];
            }
        }
        header_remove(); setcookie('a', '1'); setcookie('a', '2'); setcookie('b', '3'); $out[] = headers_list();
        PHP;

    private const LATE = <<<'PHP'
        header('X-A: 1'); $out[] = header_register_callback(function () use (&$out) { header('X-Late: 1'); $out[] = headers_sent(); });
        echo 'x'; ob_get_level() && ob_flush(); flush();
        $out[] = [headers_sent($file, $line), basename($file), $line, headers_list()[0], array_slice(headers_list(), -1)];
        foreach ([fn () => header('X: y'), fn () => setcookie('a', 'b'), fn () => header_remove('X-A'), fn () => header_remove()] as $try) { $out[] = $tried($try); }
        $out[] = [headers_list()[0], http_response_code()];
        PHP;

    private const SESSION = <<<'PHP'
        // PHP's own server does not know the script's age here.
        $list = fn () => array_values(preg_grep('/^last-modified/i', headers_list(), PREG_GREP_INVERT));
        session_save_path(__DIR__); session_name('S');
        $long = isset($_GET['cookies']);
        session_set_cookie_params(['lifetime' => $long ? 600 : 0, 'path' => '/p', 'secure' => $long, 'httponly' => $long, 'samesite' => $long ? 'Strict' : '']);
        session_cache_limiter($_GET['limiter'] ?? 'nocache');
        header('Cache-Control: of before');
        session_start();
        $out[] = [array_map(fn ($h) => preg_replace(['/S=[^;]+/', '/GMT/', '/\d\d:\d\d:\d\d/', '/Max-Age=\d+/'], ['S=ID', 'GMT', 'TIME', 'Max-Age=N'], $h), $list())];
        if (isset($_GET['again'])) { setcookie('S', 'own'); setcookie('T', 'own'); session_regenerate_id(true); $out[] = count(array_filter($list(), fn ($h) => stripos($h, 'set-cookie: S=') === 0)); $out[] = count($list()); }
        $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
        $out[] = $_SESSION;
        session_write_close();
        header_remove('Pragma'); header('Cache-Control: of after');
        $out[] = count($list());
        PHP;

    /** @return iterable<string, array{string, list<string>}> */
    public static function pages(): iterable
    {
        yield 'headers' => [self::HEADERS, ['/']];
        yield 'cookies' => [self::COOKIES, ['/']];
        yield 'what was sent' => [self::LATE, ['/']];
        yield 'sessions' => [self::SESSION, ['/', '/?cookies=1', '/?again=1', '/?limiter=public', '/?limiter=private', '/?limiter=private_no_expire', '/?limiter=']];
    }

    /** @dataProvider pages @param list<string> $targets */
    public function testTheyDoWhatTheyDoBehindAWebServer(string $code, array $targets): void
    {
        $host = FakeHost::serving('Worker::create()->superglobals(capture: true)->onRequest(function () { include __DIR__ . "/page.php"; })->run();');
        file_put_contents($page = $host->path('page.php'), self::TRIED . "\n$code\necho \"\\n\", json_encode(\$out);\n");
        $server = self::server($page, $address);
        try {
            foreach ($targets as $target) {
                $expected = self::told((string) file_get_contents("http://$address$target", false, stream_context_create(['http' => ['ignore_errors' => true]])));
                self::assertSame($expected, self::told($host->get('GET', $target)->body), $target);
                self::assertSame($expected, self::told($host->get('GET', $target)->body), "$target, again");
            }
        } finally {
            proc_terminate($server);
            proc_close($server);
        }
        self::assertSame('', $host->log());
    }

    /** What a page tells: names in lower case, and a space after them. @return list<mixed> */
    private static function told(string $body): array
    {
        $told = json_decode((string) strstr($body, "\n"), true);
        self::assertIsArray($told, $body);
        array_walk_recursive($told, static function (mixed &$value): void {
            if (is_string($value)) {
                $value = preg_replace_callback('/^([\w-]+): ?/', static fn (array $match): string => strtolower($match[1]) . ': ', $value);
            }
        });

        return $told;
    }

    /** @return resource `php -S`, ready */
    private static function server(string $page, ?string &$address)
    {
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $address = stream_socket_get_name($probe, false);
        fclose($probe);
        $log = ['file', '/dev/null', 'w'];
        $server = proc_open(
            [\PHP_BINARY, '-d', 'expose_php=0', '-d', 'output_buffering=262144', '-S', $address, $page],
            [['file', '/dev/null', 'r'], $log, $log],
            $pipes,
        );
        for ($until = microtime(true) + 20; microtime(true) < $until; usleep(5000)) {
            if (($client = @stream_socket_client("tcp://$address")) !== false) {
                fclose($client);

                return $server;
            }
        }
        self::fail('php -S does not listen');
    }

    public function testWhatIsSetIsSent(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            Worker::create()->superglobals(capture: true)->onRequest(function () {
                header('HTTP/1.1 404 Not Found'); header('X-A: 1'); header('X-A: 2', false); setcookie('c', 'v'); Output::header('X-B', '3'); header('Content-Type: text/plain');
                header_register_callback(fn () => header('X-C: 4'));
                header('no field');
                echo 'x';
            })->run();
            PHP);
        $answer = $host->get();
        self::assertSame(
            [404, 'x', ['content-type' => ['text/plain;charset=UTF-8'], 'x-a' => ['1', '2'], 'set-cookie' => ['c=v'], 'x-b' => ['3'], 'x-c' => ['4']]],
            [$answer->status, $answer->body, $answer->headers],
        );
        self::assertCount(1, $host->logs);
        self::assertSame('no field', $host->logs[0][4]['header']);
        self::assertSame([404, ['1', '2']], [($again = $host->get())->status, $again->headers['x-a']], 'nothing of the one before');
    }

    public function testASessionsCookieIsSentToWhoHasAnother(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            ini_set('session.save_path', __DIR__);
            ini_set('session.use_strict_mode', '1');
            Worker::create()->superglobals(capture: true)->onRequest(function (Request $request) {
                session_start();
                $request->path === '/login' && session_regenerate_id(true);
                $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
                $request->path === '/flush' && flush();
                echo $_SESSION['n'];
            })->run();
            PHP);
        $cookie = static fn (string $set): string => explode(';', $set)[0];
        $answer = $host->get();
        $first = $cookie($answer->headers['set-cookie'][0]);
        self::assertSame(['1', ['no-cache']], [$answer->body, $answer->headers['pragma']]);
        $answer = $host->get('GET', '/flush', ['Cookie', $first]);
        self::assertSame(['2', false], [$answer->body, isset($answer->headers['set-cookie'])]);
        $answer = $host->get('GET', '/login', ['Cookie', $first]);
        $second = $cookie($answer->headers['set-cookie'][0]);
        self::assertSame(['3', 1], [$answer->body, count($answer->headers['set-cookie'])]);
        self::assertNotSame($first, $second);
        self::assertSame('4', $host->get('GET', '/', ['Cookie', $second])->body);
        $answer = $host->get('GET', '/', ['Cookie', $first]);
        self::assertSame(['1', 1], [$answer->body, count($answer->headers['set-cookie'])], 'the old one is gone');
    }

    public function testASessionIsWrittenBeforeItsClientCanAskForMore(): void
    {
        $handler = <<<'PHP'
            session_set_save_handler(new class implements SessionHandlerInterface {
                public function open($path, $name): bool { return true; }
                public function close(): bool { return true; }
                public function read($id): string { return ''; }
                public function write($id, $data): bool {
                    if (str_contains($data, 'fail')) { throw new Exception('disk full'); }
                    Log::info("written: $data");
                    return true;
                }
                public function destroy($id): bool { return true; }
                public function gc($most): int { return 0; }
            });
            Worker::create()->superglobals(CAPTURE)->onRequest(function (Request $request) {
                session_start();
                $_SESSION['n'] = $request->path;
                if ($request->path === '/throw') { throw new Exception('no'); }
                if ($request->path === '/exit') { exit; }
                if ($request->path === '/stream') { return Response::stream(function () { yield 'a'; $_SESSION['n'] = '/streamed'; }); }
                return (new Response(200, [], 'done'))->after(fn () => Log::info($_SESSION['n']));
            })->run();
            PHP;
        foreach (['true', 'false'] as $capture) {
            $host = FakeHost::serving(str_replace('CAPTURE', "capture: $capture", $handler));
            $stream = $host->request('GET', '/page');
            self::assertSame('written: n|s:5:"/page";', $host->nextLog()[3]);
            self::assertSame('done', $host->answer($stream)->body);
            self::assertSame('/page', array_pop($host->logs)[3], 'what runs after it can read it still');

            $stream = $host->request('GET', '/fail');
            self::assertStringContainsString('the session was not written: Exception: disk full', $host->nextLog()[3]);
            self::assertSame([200, 'done'], [($answer = $host->answer($stream))->status, $answer->body]);

            $stream = $host->request('GET', '/stream');
            self::assertSame([Frame::RESPONSE, $stream, 0], array_slice($host->next(), 0, 3));
            self::assertSame('written: n|s:9:"/streamed";', $host->nextLog()[3]);
            self::assertTrue($host->answer($stream)->done);

            $stream = $host->request('GET', '/throw');
            self::assertStringContainsString('Exception: no', $host->nextLog()[3]);
            self::assertSame('written: n|s:6:"/throw";', $host->nextLog()[3]);
            self::assertSame(500, $host->answer($stream)->status);

            $stream = $host->request('GET', '/exit');
            $host->logs = [];
            $status = $host->answer($stream)->status;
            self::assertSame($capture === 'true' ? 200 : 500, $status);
            self::assertStringContainsString('written: n|s:5:"/exit";', implode(array_column($host->logs, 3)));
        }
    }

    public function testWhereNothingIsCapturedItIsSaidOnce(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function () { header("X-A: 1"); setcookie("a", "b"); return json_encode([headers_list(), headers_sent(), http_response_code(), http_response_code(404)]); })->run();');
        self::assertSame('[[],false,false,true]', $host->get()->body);
        $host->get();
        self::assertCount(1, $host->logs);
        self::assertStringContainsString('set nothing here', $host->logs[0][3]);
    }
}
