<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Http\Cookie;
use WorkerHost\Http\Response;

final class ResponseTest extends TestCase
{
    public function testTheFactories(): void
    {
        $text = Response::text('t', 201, ['X-A' => 'b']);
        self::assertSame([201, 't', ['content-type' => ['text/plain; charset=utf-8'], 'x-a' => ['b']]],
            [$text->status, $text->body, $text->headers]);
        self::assertSame(['content-type' => ['x/y']], Response::html('', headers: ['content-type' => 'x/y'])->headers);
        self::assertSame('{"a":1.0,"u":"ü/"}', Response::json(['a' => 1.0, 'u' => 'ü/'])->body);
        self::assertSame([302, '/x'], [($to = Response::redirect('/x'))->status, $to->header('location')]);
        self::assertSame(__FILE__, Response::file(__FILE__)->file);
    }

    public function testAHeaderThatAFactoryIsGivenCountsOnceHoweverItIsSpelled(): void
    {
        $lists = static fn (array $headers): array => Response::text('', headers: $headers)->headers;
        self::assertSame(['x' => ['1'], 'content-type' => ['b']],
            $lists(['Content-Type' => 'a', 'x' => '1', 'content-type' => 'b']));
        self::assertSame(['content-type' => ['text/plain; charset=utf-8'], 'x' => ['2']],
            $lists(['X' => '1', 'x' => '2']));
        self::assertSame([], $lists(['content-TYPE' => []]));
    }

    public function testItIsImmutable(): void
    {
        $one = new Response(200, ['A' => '1', 'b' => ['2', '3']]);
        $two = $one->withHeader('a', '9')->withAddedHeader('B', '4')->withoutHeader('none')->withStatus(404)
            ->withBody('x');
        self::assertSame([200, ['a' => ['1'], 'b' => ['2', '3']], ''], [$one->status, $one->headers, $one->body]);
        self::assertSame([404, ['b' => ['2', '3', '4'], 'a' => ['9']], 'x'],
            [$two->status, $two->headers, $two->body]);
        $this->expectException(\Error::class);
        $one->status = 3;
    }

    /** @return iterable<string, array{callable(): mixed}> */
    public function mistakes(): iterable
    {
        yield 'status 99' => [fn () => new Response(99)];
        yield 'status 199' => [fn () => new Response(199)];
        yield 'status 600' => [fn () => Response::text('', 600)];
        yield 'no redirect' => [fn () => Response::redirect('/', 200)];
        yield 'CR' => [fn () => new Response(200, ['A' => "b\rc"])];
        yield 'LF in a list' => [fn () => new Response(200, ['A' => ['b', "b\nc"]])];
        yield 'NUL' => [fn () => Response::text('')->withAddedHeader('A', "\0")];
        yield 'a redirect with a line break' => [fn () => Response::redirect("/\r\nSet-Cookie: a=b")];
        yield 'no name' => [fn () => new Response(200, ['' => 'a'])];
        yield 'a name with a space' => [fn () => Response::text('')->withHeader('A B', 'a')];
        yield 'a name with a colon' => [fn () => Response::text('')->withTrailer('A:', 'a')];
        yield 'a cookie with a space' => [fn () => new Cookie('a b')];
        yield 'a cookie path with a semicolon' => [fn () => new Cookie('a', path: '/; Secure')];
        yield 'a cookie for all sites that is not secure' => [fn () => new Cookie('a', sameSite: 'None')];
        yield 'SameSite' => [fn () => new Cookie('a', sameSite: 'lax')];
    }

    /** @dataProvider mistakes */
    public function testWhatHttpDoesNotAllowIsRefused(callable $mistake): void
    {
        $this->expectException(\ValueError::class);
        $mistake();
    }

    public function testCookies(): void
    {
        self::assertSame('a=%3B%20%C3%BC; Path=/; HttpOnly; SameSite=Lax', (string) new Cookie('a', '; ü'));
        self::assertSame(
            'a=; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; Domain=example.org; Secure; SameSite=None; '
                . 'Partitioned',
            (string) new Cookie('a', maxAge: -5, expires: 1, path: '', domain: 'example.org', secure: true,
                httpOnly: false, sameSite: 'None', partitioned: true),
        );
        $response = Response::text('')->withCookie('a', 'b', maxAge: 60)->withoutCookie('c');
        self::assertSame(['a=b; Max-Age=60; Path=/; HttpOnly; SameSite=Lax',
            'c=; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'],
            $response->headers['set-cookie']);
        self::assertSame('a=b; Expires=Thu, 02 Jan 2025 03:04:05 GMT',
            (string) new Cookie('a', 'b', expires: new \DateTimeImmutable('2025-01-02T04:04:05+01:00'), path: '',
                httpOnly: false, sameSite: ''));
    }
}
