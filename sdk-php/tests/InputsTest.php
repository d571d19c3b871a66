<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Form;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/**
 * What came with a request is where PHP's manual says, and as php-fpm gives it. The values were compared with those
 * of php-fpm 8.2.
 */
final class InputsTest extends TestCase
{
    private static function serving(string $code, array $php = FakeHost::PHP): FakeHost
    {
        return FakeHost::serving(
            "Worker::create()->superglobals()->onRequest(function (Request \$request) { $code })->run();", php: $php);
    }

    public function testPhpInputIsTheBodyAsOftenAsItIsOpened(): void
    {
        $host = self::serving(<<<'PHP'
            $a = fopen('php://input', 'rb'); $b = fopen('php://input', 'rb');

            return [
                file_get_contents('php://input'), file_get_contents('PHP://INPUT'), fread($a, 2), fread($b, 3), stream_get_contents($a), feof($a), rewind($a), fgets($a),
                fseek($b, -2, SEEK_END), fread($b, 9), stream_get_contents($a, -1, 1), file_get_contents('php://filter/read=string.toupper/resource=php://input'),
                $request->body(), stream_get_contents($request->stream()), $_POST,
            ];
            PHP);
        $expected = ['a=1&b=2', 'a=1&b=2', 'a=', 'a=1', '1&b=2', true, true, 'a=1&b=2', 0, '=2', '=1&b=2', 'A=1&B=2',
            'a=1&b=2', 'a=1&b=2'];
        foreach (['application/x-www-form-urlencoded' => ['a' => '1', 'b' => '2'],
            'application/json' => []] as $type => $post) {
            self::assertSame([...$expected, $post],
                json_decode($host->get('POST', '/', ['Content-Type', $type], 'a=1&b=2')->body, true), $type);
        }
        self::assertSame('', json_decode($host->get()->body)[0], 'nothing is left for the next one');
        $stream = $host->request('PUT', '/', [], 'a=1', false);
        $host->send([Frame::DATA, $stream, 0, '&b']);
        $host->send([Frame::DATA, $stream, 1, '=2']);
        self::assertSame([...$expected, []], json_decode($host->answer($stream)->body, true));
        file_put_contents($path = $host->path('upload'), 'content');
        $form = [-1, [['a', '1'], [['f', 'a.txt', 'text/plain', 7, $path, 0]]]];
        self::assertSame('', json_decode(
            $host->get('POST', '/', ['Content-Type', 'multipart/form-data; boundary=x'], null, $form)->body)[0]);
    }

    public function testALargeBodyDoesNotFillMemory(): void
    {
        $host = self::serving('$n = 0; $in = fopen("php://input", "rb"); while (!feof($in)) { $n += '
            . 'strlen(fread($in, 65536)); } return [$n, memory_get_peak_usage() < 8 << 20];');
        $stream = $host->request('PUT', '/', [], null, false);
        for ($i = 0; $i < 512; ++$i) {
            $host->send([Frame::DATA, $stream, $i === 511 ? 1 : 0, str_repeat('x', 65536)]);
            if ($i % 2 === 1 && $i < 511) {
                while (($message = $host->next())[0] !== Frame::WINDOW) {
                    self::fail(json_encode($message));
                }
            }
        }
        self::assertSame('[33554432,true]', $host->answer($stream)->body);
        self::assertSame('[1,true]', $host->get('POST', '/', [], 'x')->body);
    }

    public function testCookiesAreReadAsPhpReadsThem(): void
    {
        $cookies = 'q="a b"; p[]=1; p[]=2; b=+%20; a.b=1; c=1; c=2; d; =e;  f = g ; n%20x=1; p=3; z[a]=1; z[a]=2; '
            . '__Host-x=1; ..Host-x=2; amp=a&b';
        $expected = [
            'q' => '"a b"', 'p' => ['1', '2'], 'b' => '+ ', 'a_b' => '1', 'c' => '1', 'd' => '', 'f_' => ' g ',
            'n%20x' => '1', 'z' => ['a' => '2'], '__Host-x' => '1',
            'amp' => 'a&b',
        ];
        self::assertSame($expected, Form::cookies($cookies));
        self::assertSame($expected, json_decode(self::serving('return $_COOKIE;')
            ->get('GET', '/', ['Cookie', $cookies])->body, true));
        self::assertSame([], Form::cookies(''));
    }

    public function testAnUploadKeepsItsFoldersInFullPathAlone(): void
    {
        $host = self::serving('return [$_FILES, $request->files[0]->name, $request->files[0]->fullPath];');
        foreach (['dir/sub/x.txt' => 'x.txt', 'C:\dir\x.txt' => 'x.txt', 'x.txt' => 'x.txt', 'dir/' => ''] as $sent =>
            $name) {
            $form = [-1, [[], [['f', $sent, '', 0, '', 3]]]];
            [$files, $own, $full] = json_decode($host->get('POST', '/', ['Content-Type',
                'multipart/form-data; boundary=x'], null, $form)->body, true);
            self::assertSame([$name, $sent, $name, $sent, 3],
                [$files['f']['name'], $files['f']['full_path'], $own, $full, $files['f']['error']]);
        }
    }

    public function testTheHeadersAreThere(): void
    {
        $host = self::serving('return [getallheaders(), apache_request_headers() === getallheaders()];');
        $headers = ['X-fOO-bar', '1', 'content-type', 'text/plain', 'Authorization', 'Basic YTpi', 'x_under', '2'];
        self::assertSame(
            [['X-Foo-Bar' => '1', 'Content-Type' => 'text/plain', 'Authorization' => 'Basic YTpi',
                'Host' => 'example.org:8080', 'Content-Length' => '4'], true],
            self::sorted(json_decode($host->get('POST', '/', $headers, 'body', [4])->body, true),
                ['X-Foo-Bar', 'Content-Type', 'Authorization', 'Host', 'Content-Length']),
        );
    }

    /** @param list<mixed> $result @param list<string> $order @return list<mixed> the first of them in this order */
    private static function sorted(array $result, array $order): array
    {
        $result[0] = array_replace(array_intersect_key(array_flip($order), $result[0]), $result[0]);

        return $result;
    }

    public function testFilterInputSeesWhatCameWhateverTheSuperglobalsHold(): void
    {
        $host = self::serving(<<<'PHP'
            $_GET = ['n' => 'changed'];

            return [
                filter_input(INPUT_GET, 'n', FILTER_VALIDATE_INT), filter_input(INPUT_GET, 'none'), filter_input(INPUT_GET, 'none', FILTER_VALIDATE_INT, FILTER_NULL_ON_FAILURE),
                filter_input(INPUT_GET, 'none', FILTER_VALIDATE_INT, ['options' => ['default' => 5]]), filter_input(INPUT_GET, 'x', FILTER_VALIDATE_INT),
                filter_input(INPUT_GET, 'a'), filter_input(INPUT_GET, 'a', FILTER_DEFAULT, FILTER_REQUIRE_ARRAY), filter_has_var(INPUT_GET, 'n'), filter_has_var(INPUT_GET, 'none'),
                filter_input_array(INPUT_POST), filter_input_array(INPUT_GET, ['n' => FILTER_VALIDATE_INT, 'none' => FILTER_VALIDATE_INT]),
                filter_input_array(INPUT_GET, ['n' => FILTER_VALIDATE_INT, 'none' => FILTER_VALIDATE_INT], false), filter_input(INPUT_SERVER, 'REQUEST_METHOD'),
                filter_input_array(INPUT_COOKIE),
            ];
            PHP);
        self::assertSame(
            [5, null, false, 5, false, false, ['1'], true, false, null, ['n' => 5, 'none' => null], ['n' => 5], 'GET',
                ['c' => 'd']],
            json_decode($host->get('GET', '/?n=5&x=a&a[]=1', ['Cookie', 'c=d'])->body, true),
        );
        self::assertNull(json_decode($host->get()->body)[0]);
        $host = self::serving('try { filter_input(9, "x"); } catch (ValueError $e) { return $e->getMessage(); }');
        self::assertSame('filter_input(): Argument #1 ($type) must be an INPUT_* constant', $host->get()->body);
    }

    public function testAnUploadIsMovedWithThePermissionsOfANewFile(): void
    {
        $host = self::serving('$f = $_FILES["f"]["tmp_name"] ?? ""; return [is_uploaded_file($f), '
            . 'is_uploaded_file(__FILE__), move_uploaded_file(__FILE__, __DIR__ . "/x"), move_uploaded_file($f, '
                . '__DIR__ . "/moved"), is_uploaded_file($f), is_uploaded_file("")];');
        file_put_contents($path = $host->path('upload'), 'content');
        chmod($path, 0600);
        $form = [-1, [[], [['f', 'a.txt', 'text/plain', 7, $path, 0]]]];
        self::assertSame('[true,false,false,true,false,false]',
            $host->get('POST', '/', ['Content-Type', 'multipart/form-data; boundary=x'], null, $form)->body);
        self::assertSame([0666 & ~umask(), 'content'],
            [fileperms($host->path('moved')) & 0777, file_get_contents($host->path('moved'))]);
        file_put_contents($path, 'of the request before');
        self::assertSame('[false,false,false,false,false,false]', $host->get()->body);
    }

    public function testTooManyVariablesAreDroppedWhateverTheErrorHandlerThrows(): void
    {
        $host = self::serving('return [count($_GET["a"]), count($_POST), count($_COOKIE)];',
            [...FakeHost::PHP, '-d', 'max_input_vars=3']);
        self::assertSame('[3,1,1]', $host->get('POST', '/?a[]=1&a[]=2&a[]=3&a[]=4',
            ['Cookie', 'c=1', 'Content-Type', 'application/x-www-form-urlencoded'], 'a=1')->body);
        $throwing = 'set_error_handler(function ($n, $m) { throw new ErrorException($m); });';
        $host = FakeHost::serving("$throwing Worker::create()->superglobals()->onRequest(fn () => "
            . "[count(\$_GET['a']), count(\$_POST), count(\$_COOKIE)])->run();",
            php: [...FakeHost::PHP, '-d', 'max_input_vars=3']);
        $answer = $host->get('POST', '/?a[]=1&a[]=2&a[]=3&a[]=4',
            ['Cookie', 'c=1;d=1;e=1;f=1', 'Content-Type', 'application/x-www-form-urlencoded'], 'a=1&b=2&c=3&d=4&e=5');
        self::assertSame([200, '[3,3,3]'], [$answer->status, $answer->body]);
        self::assertStringContainsString('max_input_vars', $host->logs[0][3]);
    }

    public function testTheServerIsDescribedAsUnderAnyOther(): void
    {
        $host = new FakeHost('Worker::create()->superglobals()->onRequest(fn () => $_SERVER)->run();');
        $host->hello();
        $host->ready = $host->next();
        $cases = [
            ['1.0', 'a.example', ['HTTP/1.0', 'a.example', '80']], ['2', '[::1]:8080', ['HTTP/2.0', '[::1]', '8080']],
            ['1.1', '[::1]', ['HTTP/1.1', '[::1]', '80']], ['1.1', '127.0.0.1:81', ['HTTP/1.1', '127.0.0.1', '81']],
        ];
        foreach ($cases as $i => [$version, $name, $expected]) {
            $stream = 101 + 2 * $i;
            $host->send([Frame::REQUEST, $stream, 1, 'GET', '/', $version, 'http', $name, '[2001:db8::1]:5', [], null,
                0, null, null, 1, 'id', '[::1]:8080']);
            $server = json_decode($host->answer($stream)->body, true);
            self::assertSame(
                [...$expected, '2001:db8::1', '::1'],
                [$server['SERVER_PROTOCOL'], $server['SERVER_NAME'], $server['SERVER_PORT'], $server['REMOTE_ADDR'],
                    $server['SERVER_ADDR']],
            );
        }
        self::assertContains('local', $host->ready[6]);
    }

    public function testTheDocumentRootIsThePublicFolder(): void
    {
        putenv('DOCUMENT_ROOT=/srv/public');
        $host = self::serving('return $_SERVER["DOCUMENT_ROOT"];');
        putenv('DOCUMENT_ROOT');
        self::assertSame('/srv/public', $host->get()->body);
        $host = self::serving('return $_SERVER["DOCUMENT_ROOT"];');
        self::assertSame(dirname($host->path('x')), $host->get()->body);
    }
}
