<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Http\Request;
use WorkerHost\Http\UploadedFile;
use WorkerHost\Internal\Superglobals;

final class RequestTest extends TestCase
{
    public function testItsParts(): void
    {
        $request = Request::create('POST', '/a%20b/c?x[]=1&x[]=2&y=%C3%BC',
            ['X-Two' => ['1', '2'], 'Cookie' => 'a="q"; b=%3D; a=late; c'], 'body');
        self::assertSame(['POST', '/a%20b/c', 'x[]=1&x[]=2&y=%C3%BC'],
            [$request->method, $request->path, $request->queryString]);
        self::assertSame(['x' => ['1', '2'], 'y' => 'ü'], $request->query);
        self::assertSame(['host' => ['localhost'], 'x-two' => ['1', '2'], 'cookie' => ['a="q"; b=%3D; a=late; c']],
            $request->headers);
        self::assertSame(['1, 2', 'localhost', '', 'none'],
            [$request->header('X-TWO'), $request->header('Host'), $request->header('x'),
                $request->header('x', 'none')]);
        self::assertSame(['a' => 'q', 'b' => '=', 'c' => ''], $request->cookies);
        self::assertSame(['body', 4, 'body'],
            [$request->body(), $request->length, stream_get_contents($request->stream())]);
        self::assertSame(['1.1', 'http', 'localhost', '127.0.0.1:50000'],
            [$request->protocolVersion, $request->scheme, $request->host, $request->remoteAddress]);
        self::assertSame([[], [], null, [], 1, ''],
            [$request->form, $request->files, $request->tls, $request->trailers, $request->attempt, $request->id]);
        self::assertFalse($request->isCancelled());
        self::assertSame(['00-1-2-01', ''],
            [Request::create('GET', '/', ['Traceparent' => '00-1-2-01'])->traceparent, $request->tracestate]);
        self::assertTrue(isset($request->query, $request->traceparent));
        self::assertFalse(isset($request->nothing));
    }

    public function testItTellsWhoTheClientIsByItsCertificate(): void
    {
        $message = Request::create('GET', '/')->message();
        $message[13] = ['TLS 1.3', 'TLS_AES_128_GCM_SHA256', 'example.org', 'h2'];
        self::assertFalse(isset((new Request($message, null))->clientCertificate));
        $message[13][] = ['CN=ada,O=Example', 'CN=ca', '2A', "\x30\x03\x02\x01\x01"];
        $request = new Request($message, null);
        $pem = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
        self::assertSame(['subject' => 'CN=ada,O=Example', 'issuer' => 'CN=ca', 'serial' => '2A', 'pem' => $pem],
            $request->clientCertificate);
        self::assertSame(['TLS 1.3', 'TLS_AES_128_GCM_SHA256', 'example.org', 'h2'], $request->tls);
        $server = Superglobals::server($request, []);
        self::assertSame(['SUCCESS', 'CN=ada,O=Example', 'CN=ca', '2A', $pem], [$server['SSL_CLIENT_VERIFY'],
            $server['SSL_CLIENT_S_DN'], $server['SSL_CLIENT_I_DN'], $server['SSL_CLIENT_M_SERIAL'],
            $server['SSL_CLIENT_CERT']]);
        self::assertArrayNotHasKey('SSL_CLIENT_VERIFY', Superglobals::server(Request::create('GET', '/'), []));
    }

    public function testTargetsWithoutAPathAreTakenAsTheyAre(): void
    {
        self::assertSame(['*', '', []], [($request = Request::create('OPTIONS', '*'))->path, $request->queryString,
            $request->query]);
    }

    public function testItIsImmutable(): void
    {
        $request = Request::create('GET', '/');
        $copy = $request->withAttribute('user', 7)->withAttribute('none', null);
        self::assertSame([[], ['user' => 7, 'none' => null]], [$request->attributes, $copy->attributes]);
        self::assertSame([7, null, 'else'],
            [$copy->attribute('user'), $copy->attribute('none', 'x'), $copy->attribute('other', 'else')]);
        foreach (['method', 'path', 'new'] as $name) {
            try {
                $request->$name = 'x';
                self::fail("$name was set");
            } catch (\Error $e) {
                self::assertNotSame('', $e->getMessage());
            }
        }
        $this->expectExceptionMessage('A request has no $typo');
        $request->typo;
    }

    public function testCopiesShareTheBody(): void
    {
        $request = Request::create('POST', '/', [], 'abc');
        $copy = $request->withAttribute('a', 1);
        self::assertSame('a', fread($request->stream(), 1));
        self::assertSame('bc', stream_get_contents($copy->stream()));
    }

    public function testAFormForTests(): void
    {
        $file = new UploadedFile('doc', 'a.txt', 'text/plain', 0, '', \UPLOAD_ERR_NO_FILE);
        $request = Request::create('POST', '/', form: ['a[]' => '1'], files: [$file]);
        self::assertSame([['a' => ['1']], [$file]], [$request->form, $request->files]);
        $this->expectExceptionMessage("field 'doc' came without a file");
        $file->moveTo('/nowhere');
    }
}
