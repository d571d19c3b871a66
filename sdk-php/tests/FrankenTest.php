<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** A worker script that was written for FrankenPHP runs as it is. */
final class FrankenTest extends TestCase
{
    private static function serving(string $handler, string $before = '', string $after = ''): FakeHost
    {
        return FakeHost::serving("$before; while (frankenphp_handle_request(function () { $handler })) {} $after;", php: FakeHost::FRANKENPHP);
    }

    public function testTheScriptKeepsItsScopeAndItsLoop(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            $booted = $n = 0; ++$booted; echo 'of the boot by ', $_SERVER['REQUEST_METHOD'], $_SERVER['QUERY_STRING'];
            function counted() { global $n; return $n; }
            do {
                $more = frankenphp_handle_request(function () use (&$n) {
                    ++$n;
                    echo json_encode([$GLOBALS['booted'], counted(), $_SERVER['REQUEST_URI'], $_GET, $_SERVER['FRANKENPHP_WORKER'], php_sapi_name()]);
                });
                echo $more ? 'between' : 'over';
            } while ($more);
            echo json_encode([$n, frankenphp_handle_request(fn () => 1)]);
            PHP, php: FakeHost::FRANKENPHP);
        self::assertSame('of the boot by GET', $host->log());
        self::assertStringContainsString('FrankenPHP', $host->ready[4]);
        foreach ([1, 2] as $n) {
            $answer = $host->get('GET', '/p?a=1');
            self::assertSame([200, json_encode([1, $n, '/p?a=1', ['a' => '1'], '1', 'frankenphp'])], [$answer->status, $answer->body]);
        }
        $host->send([Frame::DRAIN, 0]);
        self::assertSame(0, $host->end());
        self::assertSame('of the boot by GETbetweenbetweenover[2,false]', $host->log());
    }

    public function testPhpSapiIsFrankenphpWherePhpCanUseFfi(): void
    {
        $code = <<<'PHP'
            use const PHP_SAPI as SAME;
            class Known { const AS = PHP_SAPI; }
            while (\frankenphp_handle_request(function ($by = \PHP_SAPI) {
                $given = constant('PHP_SAPI');
                echo "$given $by ", SAME, ' ', Known::AS, ' ', PHP_SAPI === 'cli' ? 'a console' : 'no console', ' ';
                echo match ($given) { 'cli' => 1, 'frankenphp' => 2 }, [['cli' => 1, 'frankenphp' => 2][$given]][0];
                unset($given);
            })) {}
            PHP;
        foreach ([
            ['1', 'frankenphp frankenphp frankenphp frankenphp no console 22'], ['0', 'cli cli cli cli a console 11'],
        ] as [$enabled, $sapi]) {
            if ($enabled === '1' && !\extension_loaded('ffi')) {
                continue;
            }
            $host = FakeHost::serving($code, php: [...FakeHost::FRANKENPHP, '-d', "ffi.enable=$enabled", '-d', 'opcache.enable_cli=1']);
            self::assertSame([$sapi, $sapi], [$host->get('GET', '/')->body, $host->get('GET', '/')->body]);
            $host->send([Frame::DRAIN, 0]);
            self::assertSame(0, $host->end());
        }
    }

    public function testAFailedBootIsTold(): void
    {
        foreach ([
            'echo "no loop";' => 'before it called frankenphp_handle_request()',
            'exit(3);' => 'before it called frankenphp_handle_request()',
            'throw new Exception("in the boot");' => 'in the boot',
            'this is no PHP' => 'syntax error',
        ] as $code => $why) {
            $host = new FakeHost($code, php: FakeHost::FRANKENPHP);
            $host->hello();
            [$type, , $message] = $host->next();
            self::assertSame(Frame::FAILED, $type, $code);
            self::assertStringContainsString($why, $message);
        }
    }

    public function testAScriptThatEndsItsLoopSaysWhatItHasBegun(): void
    {
        $host = FakeHost::serving('frankenphp_handle_request(function () { echo "x"; while (!is_file(__DIR__ . "/go")) { usleep(500); clearstatcache(); } flush(); });', php: FakeHost::FRANKENPHP);
        $first = $host->request();
        $ahead = $host->request();
        touch($host->path('go'));
        self::assertSame('x', $host->answer($first)->body);
        $answer = $host->answer($ahead);
        self::assertSame([false, $first], [$answer->done, $host->begun]);
        self::assertSame(0, $host->end());
        self::assertSame([], $host->logs);
    }

    public function testAThrowCostsItsRequestAlone(): void
    {
        $host = self::serving('echo "half"; if ($_GET) { throw new Exception("of this one"); }');
        $answer = $host->get('GET', '/?a=1');
        self::assertSame([500, false], [$answer->status, str_contains($answer->body, 'half')]);
        self::assertStringContainsString('of this one', $host->logs[0][3]);
        self::assertSame('half', $host->get()->body);
    }

    public function testExitSendsThePageWholeAndCostsTheWorker(): void
    {
        $host = self::serving('http_response_code(201); header("X-A: b"); setcookie("c", "d"); echo "a"; exit("b");');
        $answer = $host->get();
        self::assertSame(['ab', true, 201, ['b'], ['c=d']], [$answer->body, $answer->ended, $answer->status, $answer->headers['x-a'], $answer->headers['set-cookie']]);
        self::assertSame(0, $host->end());
        self::assertCount(1, $host->logs);
        self::assertStringContainsString('the code called exit()', $host->logs[0][3]);
        self::assertSame($host->path('worker.php') . ':3', $host->logs[0][4]['exit_stands_at']);
    }

    public function testAFinishedRequestHasItsResponseBeforeTheCodeEnds(): void
    {
        foreach (['frankenphp_finish_request', 'fastcgi_finish_request'] as $finish) {
            $host = self::serving("header('X-A: b'); ob_start(); echo 'page'; \$first = $finish(); echo json_encode([\$first, $finish(), ob_get_level(), headers_sent()]); while (!is_file(__DIR__ . '/go')) { usleep(500); clearstatcache(); } frankenphp_log('after');");
            $stream = $host->request();
            [0 => $type, 2 => $flags, 5 => $body] = $host->next();
            self::assertSame([Frame::RESPONSE, Frame::FLAG_END, 'page'], [$type, $flags, $body]);
            touch($host->path('go'));
            self::assertSame([Frame::DONE, $stream], array_slice($host->next(), 0, 2));
            self::assertSame('[true,false,0,true]', $host->log());
            self::assertSame('after', $host->logs[0][3]);
            self::assertSame('page', $host->get()->body);
        }
        $host = self::serving('echo str_repeat("x", 300000), "y"; flush(); echo "z"; frankenphp_finish_request(); echo "late";');
        $answer = $host->get();
        self::assertSame(['yz', true, 300002], [substr($answer->body, -2), $answer->ended, strlen($answer->body)]);
    }

    public function testHeadersGoAheadAndAreTold(): void
    {
        $host = self::serving(<<<'PHP'
            header('Link: </a.css>; rel=preload'); $informed = headers_send(103); header_remove('Link');
            header('X-A: 1'); header('X-A: 2', false);
            echo json_encode([$informed, frankenphp_response_headers(), apache_response_headers(), frankenphp_request_headers()['X-Own'] ?? null, getallheaders()['Host']]);
            headers_send(202); header('X-B: late');
            PHP);
        $answer = $host->get('GET', '/', ['X-Own', 'o']);
        self::assertSame([[103, ['Link', '</a.css>; rel=preload']]], $answer->informs);
        self::assertSame([202, ['1', '2'], false], [$answer->status, $answer->headers['x-a'], isset($answer->headers['x-b'])]);
        self::assertSame('[1,{"X-A":"2"},{"X-A":"2"},"o","example.org:8080"]', $answer->body);
        self::assertStringContainsString('headers already sent by (output started at ' . $host->path('worker.php') . ':', $host->log());
    }

    public function testWhatIsLoggedHasItsLevel(): void
    {
        $host = self::serving('foreach ([-4, 0, 4, 8] as $level) { frankenphp_log("at $level", $level, ["k" => $level]); } frankenphp_log("plain");');
        $host->get();
        self::assertSame(['debug', 'info', 'warn', 'error', 'info'], array_column($host->logs, 2));
        self::assertSame(['k' => 8], $host->logs[3][4]);
    }

    public function testAPublishedEventGoesToTheGroupsOfItsTopics(): void
    {
        $host = self::serving('echo mercure_publish(["https://example.org/a", "b"], "one\ntwo", true, "i7", "kind", 3000), mercure_publish("b");');
        $stream = $host->request();
        [0 => $type, 3 => $to, 4 => $groups, 5 => $event] = $host->next();
        self::assertSame([Frame::SEND, Frame::TO_GROUPS, ['https://example.org/a', 'b'], "event: kind\nid: i7\nretry: 3000\ndata: one\ndata: two\n\n"], [$type, $to, $groups, $event]);
        self::assertSame(1, preg_match('/^id: (urn:uuid:[\da-f-]{36})\ndata: \n\n$/', $host->next()[5], $id));
        self::assertSame("i7$id[1]", $host->answer($stream)->body);
    }

    public function testATimeLimitOfOneRequestIsNotTheNextOnes(): void
    {
        $host = self::serving('echo ini_get("max_execution_time"); set_time_limit(7);');
        self::assertSame(['0', '0'], [$host->get()->body, $host->get()->body]);
    }

    public function testACallWithinACallIsAMistake(): void
    {
        $host = self::serving('frankenphp_handle_request(fn () => 1);');
        self::assertSame(500, $host->get()->status);
        self::assertStringContainsString('was called by what it has called', $host->logs[0][3]);
    }

    public function testTheEndOfTheLinkEndsTheLoop(): void
    {
        $host = self::serving('echo "x";', '', 'echo "cleaned up"');
        $host->get();
        self::assertSame(0, $host->end());
        self::assertStringContainsString('cleaned up', $host->log());
    }
}
