<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Events of connections and what handlers do in them (SPEC.md §9, §10.1 to §10.3). */
final class ConnectionsTest extends TestCase
{
    private const SOCKET = ['c1', 'websocket', '192.0.2.1:50000'];
    private const UPGRADE = ['GET', '/chat?name=zoe', '1.1', 'http', 'example.org:8080', '192.0.2.1:50000',
        ['Cookie', 'a=1', 'Sec-WebSocket-Protocol', 'soap, chat'], null, 'r1'];
    private const ECHO = 'Worker::create()->onMessage(function (Connection $c, string $data, bool $binary): void { '
        . '$c->send($data, $binary); })->run();';

    /** A worker whose onMessage() has this body, with $c, $data, $binary and $worker. */
    private static function serving(string $body, string $more = ''): FakeHost
    {
        return FakeHost::serving('$worker = Worker::create(); $worker' . $more
            . '->onMessage(function (Connection $c, string $data, bool $binary) use ($worker) { $all = '
                . '$worker->connections(); ' . $body . ' })->run();');
    }

    public function testReadyNamesTheEventsThatAreHandled(): void
    {
        self::assertContains('message', FakeHost::serving(self::ECHO)->ready[6]);
        $all = 'Worker::create()->onBuffer(fn () => 1)->onClose(fn () => 1)->onOpen(fn () => null)->onMessage(fn () '
            . '=> 1)->onRequest(fn () => "")->run();';
        self::assertSame([], array_diff(['open', 'message', 'close', 'buffer'], FakeHost::serving($all)->ready[6]));
    }

    public function testAWorkerWithoutOnRequestAnswersRequestsWith404(): void
    {
        self::assertSame(404, FakeHost::serving(self::ECHO)->get()->status);
    }

    public function testAMessageIsAnsweredInOneFrameWithDone(): void
    {
        $host = FakeHost::serving(self::ECHO);
        self::assertSame([[Frame::SEND, 1, 2, 0, [], 'hi', []]], $host->deliver('hi'));
        self::assertSame([[Frame::SEND, 3, 6, 0, [], "\xff\0", []]], $host->deliver("\xff\0", self::SOCKET, true));
    }

    public function testAHandlerThatDoesNothingSaysDone(): void
    {
        self::assertSame([[Frame::DONE, 1]], self::serving('')->deliver('hi'));
    }

    public function testAnEventWithoutAHandlerIsDone(): void
    {
        $host = FakeHost::serving(self::ECHO);
        self::assertSame([[Frame::DONE, 1]], $host->done($host->event(Frame::CLOSE, [self::SOCKET, 1, 1000])));
        self::assertSame([[Frame::DONE, 3]], $host->done($host->event(Frame::OPEN, [self::SOCKET])));
        self::assertSame([[Frame::DONE, 5]], $host->done($host->event(Frame::BUFFER, [self::SOCKET, 1, true, 7])));
    }

    public function testAHandlerSeesTheConnectionAsTheHostSaysItIs(): void
    {
        $host = self::serving('$c->send(json_encode([$c->id, $c->protocol, $c->remoteAddress, $c->uid, $c->groups, '
            . '$c->session, $c->listener, $c->attempt, $data, $binary]));');
        $stream = $host->event(Frame::MESSAGE,
            [5, ['c9', 'tcp', '[::1]:7', 'u7', ['a', 'b'], ['name', 'zoe', 'n', 7], ':9000'], 2, 'x']);
        self::assertSame('["c9","tcp","[::1]:7","u7",["a","b"],{"name":"zoe","n":7},":9000",2,"x",true]',
            $host->done($stream)[0][5]);
    }

    public function testAHandlerSeesTheSpanOfItsEvent(): void
    {
        $host = self::serving('$c->send($c->traceparent . "|" . $c->tracestate);');
        $connection = ['c9', 'tcp', '[::1]:7', '', [], [], ''];
        self::assertSame('00-1-2-01|a=1', $host->done($host->event(Frame::MESSAGE,
            [5, [...$connection, ['traceparent', '00-1-2-01', 'tracestate', 'a=1']], 1, 'x']))[0][5]);
        self::assertSame('00-1-2-01|', $host->done($host->event(Frame::MESSAGE,
            [5, [...$connection, ['traceparent', '00-1-2-01']], 1, 'x']))[0][5]);
        self::assertSame('|', $host->done($host->event(Frame::MESSAGE, [5, $connection, 1, 'x']))[0][5]);
    }

    public function testEachActIsWhatSpecSays(): void
    {
        $host = self::serving(<<<'PHP'
            $c->join('a', 'b'); $c->leave('a'); $c->bindUid(7); $c->close(4001, 'bye');
            $all->send('x', '1'); $all->send(['x', 'y'], '2', except: ['y']); $all->sendToUid(7, '3'); $all->sendToGroup(['g', 'h'], '4', 'c1', binary: true); $all->sendToAll('5');
            $all->close('x'); $all->closeUid('u', 1001); $all->closeGroup('g', except: 'c1');
            $c->subscribe('n', 'p1'); $all->subscribe('x', ['n', 'm']);
            $all->join('x', 'g'); $all->leave('x', 'g', 'h'); $all->bindUid('x', 'u');
            $all->send([], 'nobody');
            PHP);
        self::assertSame([
            [38, 1, 0, '', ['a', 'b'], null], [39, 1, 0, '', ['a']], [40, 1, 0, '', '7'], [37, 1, 0, 0, [], 4001, 'bye', []],
            [36, 1, 0, 1, ['x'], '1', []], [36, 1, 0, 1, ['x', 'y'], '2', ['y']], [36, 1, 0, 2, ['7'], '3', []],
            [36, 1, 4, 3, ['g', 'h'], '4', ['c1']], [36, 1, 0, 4, [], '5', []],
            [37, 1, 0, 1, ['x'], 1000, '', []], [37, 1, 0, 2, ['u'], 1001, '', []],
            [37, 1, 0, 3, ['g'], 1000, '', ['c1']],
            [38, 1, 0, '', ['n'], 'p1'], [38, 1, 0, 'x', ['n', 'm'], ''],
            [38, 1, 0, 'x', ['g'], null], [39, 1, 0, 'x', ['g', 'h']], [40, 1, 2, 'x', 'u'],
        ], $host->deliver('go'));
    }

    public function testWhatAHandlerJoinsAndBindsItSees(): void
    {
        $host = self::serving(
            '$c->join("b", "c"); $c->leave("a"); $c->bindUid("u2"); $c->send(implode(",", $c->groups) . $c->uid);');
        self::assertSame('b,cu2', $host->deliver('', [...self::SOCKET, 'u1', ['a', 'b']])[3][5]);
    }

    public function testAHandlerThatThrowsHasDoneNothing(): void
    {
        $host = self::serving('$c->send("lost"); $c->session["k"] = 1; throw new RuntimeException("no");');
        [$reset, $done] = $host->deliver('hi');
        self::assertSame([Frame::RESET, 1, Frame::CODE_INTERNAL], array_slice($reset, 0, 3));
        self::assertSame([Frame::DONE, 1], $done);
        self::assertSame([1, 'error'], [$host->logs[0][1], $host->logs[0][2]]);
        self::assertStringContainsString('RuntimeException: no', $host->logs[0][3]);
        self::assertSame(['MESSAGE', 'c1'], [$host->logs[0][4]['event'], $host->logs[0][4]['connection']]);
    }

    public function testWhatIsSentNowGoesAtOnceAndStays(): void
    {
        $host = self::serving(
            '$c->send("staged"); $c->send("now", now: true); $all->sendToAll("all", now: true); throw new Exception;');
        $said = $host->deliver('hi');
        self::assertSame([Frame::SEND, 1, 8, 0, [], 'now', []], $said[0]);
        self::assertSame([Frame::SEND, 1, 8, 4, [], 'all', []], $said[1]);
        self::assertSame([Frame::RESET, Frame::DONE], [$said[2][0], $said[3][0]]);
    }

    public function testMessagesThatTravelTogetherAreHandledInOrderAndOneThatThrowsLosesOnlyItsOwn(): void
    {
        $host = self::serving('$c->session["n"] = ($c->session["n"] ?? 0) + 1; $c->join($data); $c->send($data . '
            . '$c->session["n"]); if ($data === "b") { throw new Exception; }');
        self::assertSame([
            [Frame::JOIN, 1, 0, '', ['a'], null], [Frame::SEND, 1, 0, 0, [], 'a1', []],
            [Frame::JOIN, 1, 0, '', ['c'], null],
            [Frame::SEND, 1, 0, 0, [], 'c2', []], [Frame::SET, 1, 2, '', ['n', 2], []],
        ], $host->deliver('a', more: [[1, 'b'], [5, 'c']]));
        self::assertCount(1, $host->logs);
    }

    public function testMessagesOfWhichAllFailAreReset(): void
    {
        $said = self::serving('throw new Exception;')->deliver('a', more: [[1, 'b']]);
        self::assertSame([Frame::RESET, Frame::DONE], array_column($said, 0));
    }

    public function testOpenGetsTheUpgradeRequest(): void
    {
        $host = FakeHost::serving('Worker::create()->onOpen(function (Connection $c, ?Request $r) { $c->send($r === '
            . 'null ? "none" : "$r->method {$r->query["name"]} {$r->cookies["a"]} {$r->header("host")} $r->id" . '
                . '$r->body()); })->run();');
        self::assertSame('GET zoe 1 example.org:8080 r1',
            $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, self::UPGRADE]))[0][5]);
        self::assertSame('none', $host->done($host->event(Frame::OPEN, [['c2', 'tcp', '']]))[0][5]);
    }

    public function testOpenChoosesASubprotocolAndHeaders(): void
    {
        $host = FakeHost::serving('Worker::create()->onOpen(function (Connection $c, ?Request $r) { '
            . '$c->accept("chat", ["X-A" => "b"]); })->run();');
        self::assertSame([[Frame::ACCEPT, 1, 2, 'chat', ['X-A', 'b']]],
            $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, self::UPGRADE])));
        $upgrade = self::UPGRADE;
        $upgrade[6] = [];
        $said = $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, $upgrade]));
        self::assertSame(Frame::RESET, $said[0][0]);
        self::assertStringContainsString('did not offer the subprotocol chat, but: none', $said[0][3]);
    }

    public function testOpenRefusesWithAResponse(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onOpen(function (Connection $c, ?Request $r) use ($w) '
            . '{ $w->connections()->sendToGroup("admins", "knock"); return Response::text("no", 403); })->run();');
        [$send, $response] = $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, self::UPGRADE]));
        self::assertSame([Frame::SEND, 1, 0, 3, ['admins'], 'knock', []], $send);
        self::assertSame([Frame::RESPONSE, 1, 3, 403], array_slice($response, 0, 4));
        self::assertSame('no', $response[5]);
    }

    public function testOpenFillsTheSuperglobals(): void
    {
        $host = FakeHost::serving('Worker::create()->superglobals()->onOpen(function (Connection $c) { '
            . '$c->send($_GET["name"] . $_COOKIE["a"]); })->onMessage(function (Connection $c) { '
                . '$c->send(json_encode($_GET)); })->run();');
        self::assertSame('zoe1', $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, self::UPGRADE]))[0][5]);
        self::assertSame('[]', $host->deliver('')[0][5]);
    }

    public function testCloseAndBufferSayHowItStands(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $a = $w->connections(); $w->onClose(function (Connection '
            . '$c, int $code, string $reason, bool $clean) use ($a) { $a->sendToAll("$c->id $code $reason " . '
                . 'json_encode($clean)); })'
            . '->onBuffer(function (Connection $c, bool $full, int $bytes) use ($a) { '
                . '$a->sendToAll(json_encode([$full, $bytes])); })->run();');
        self::assertSame('c1 4000 bye true',
            $host->done($host->event(Frame::CLOSE, [self::SOCKET, 1, 4000, 'bye', true]))[0][5]);
        self::assertSame('[true,600000]',
            $host->done($host->event(Frame::BUFFER, [self::SOCKET, 1, true, 600000]))[0][5]);
    }

    /** @return iterable<array{int, list<int>}> */
    public function sizes(): iterable
    {
        yield [65535, [65535]];
        yield [65536, [65536]];
        yield [65537, [65536, 1]];
        yield [262145, [65536, 65536, 65536, 65536, 1]];
    }

    /** @dataProvider sizes @param list<int> $parts */
    public function testALongMessageIsSentInPartsThatGoOn(int $size, array $parts): void
    {
        $host = self::serving(
            '$c->send("first"); $c->send(str_repeat("x", (int) $data)); $c->send("last", now: true);');
        $said = $host->deliver((string) $size);
        self::assertSame('last', $said[0][5]);
        self::assertSame('first', $said[1][5]);
        foreach ($parts as $i => $length) {
            self::assertSame($length, strlen($said[$i + 2][5]));
            self::assertSame($i === count($parts) - 1 ? Frame::FLAG_DONE : Frame::FLAG_MORE, $said[$i + 2][2]);
        }
        self::assertCount(count($parts) + 2, $said);
    }

    public function testALongMessageIsReadUnderTheWindow(): void
    {
        $host = self::serving('$c->send(strlen($data) . md5($data));');
        $message = random_bytes(1_000_000);
        $stream = $host->event(Frame::MESSAGE, [4, self::SOCKET, 1, substr($message, 0, 65536)]);
        $window = 262144;
        for ($at = 65536; $at < strlen($message); $at += 65536) {
            $part = substr($message, $at, 65536);
            while ($window < strlen($part)) {
                [$type, , $grant] = $host->next();
                self::assertSame(Frame::WINDOW, $type);
                $window += $grant;
            }
            $window -= strlen($part);
            $host->send([Frame::DATA, $stream, $at + 65536 >= strlen($message) ? 1 : 0, $part]);
        }
        $said = $host->done($stream);
        self::assertSame('1000000' . md5($message), end($said)[5]);
        self::assertSame([[Frame::DONE, $stream + 2]], [$this->givenUp($host)]);
    }

    /** @return list<mixed> */
    private function givenUp(FakeHost $host): array
    {
        $stream = $host->event(Frame::MESSAGE, [4, self::SOCKET, 1, 'a']);
        $host->send([Frame::DATA, $stream, 0, 'b']);
        $host->send([Frame::RESET, $stream, 2]);

        return $host->done($stream)[0];
    }

    public function testMoreThan64MebibytesThatWaitAreAClearError(): void
    {
        $host = self::serving('for ($i = 0; $i < 70; $i++) { $c->send(str_repeat("x", 1 << 20)); }');
        [$reset, $done] = $host->deliver('hi');
        self::assertSame([Frame::RESET, Frame::DONE], [$reset[0], $done[0]]);
        self::assertStringContainsString('up to 64 MiB of it; this is more', $reset[3]);
    }

    public function testAListLongerThanAFrameIsAClearError(): void
    {
        $host = self::serving('$all->send(array_fill(0, 20, str_repeat("i", 1 << 20)), "x");');
        self::assertStringContainsString('and the host takes 16777216 at the most', $host->deliver('hi')[0][3]);
        self::assertSame([Frame::DONE, 3], $host->done($host->event(Frame::CLOSE, [self::SOCKET, 1, 1000]))[0]);
    }

    public function testExitInAHandlerSaysNothingSoThatTheEventComesAgain(): void
    {
        $host = self::serving('$c->send("lost"); exit(0);');
        self::assertSame([[]], $host->deliver('hi'));
        self::assertStringContainsString('the code called exit()', $host->logs[0][3]);
        self::assertSame(
            ['event' => 'MESSAGE', 'connection' => 'c1', 'remote' => '192.0.2.1:50000', 'exit_stands_at' => $host->path('worker.php:3')],
            $host->logs[0][4],
        );
    }

    public function testAFatalErrorInAHandlerSaysNothingEither(): void
    {
        $host = self::serving('ini_set("memory_limit", "32M"); $c->send("lost"); $x = str_repeat("x", 1 << 30);');
        self::assertSame([[]], $host->deliver('hi'));
        self::assertStringContainsString('Allowed memory size', $host->logs[0][3]);
        self::assertSame(255, $host->end());
    }

    public function testAWorkerThatEndsSaysThatItHasNotBegunAnEvent(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onMessage(fn () => 1)->every(0.02, function () use '
            . '($w) { $w->connections()->count(); exit; })->run();');
        $call = $host->next();
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'x']);
        $host->send([Frame::RESULT, $call[1], '', 1]);
        self::assertSame([[]], $host->done($stream));
        self::assertSame(0, $host->begun);
    }

    public function testPhpsOwnSessionsTellWhoComesAndAreClosedAfterEachEvent(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            ini_set('session.save_path', __DIR__);
            Worker::create()->superglobals()->onRequest(function () { session_start(); $_SESSION['user'] = 'zoe'; return session_id(); })
                ->onOpen(function (Connection $c) { session_start(); $c->session['user'] = $_SESSION['user'] ?? 'nobody'; })
                ->onMessage(function (Connection $c) { $c->send(session_id() . json_encode([session_status() === PHP_SESSION_NONE, isset($_SESSION)])); })
                ->run();
            PHP);
        $id = $host->get()->body;
        $upgrade = self::UPGRADE;
        $upgrade[6] = ['Cookie', "PHPSESSID=$id"];
        self::assertSame(['user', 'zoe'], $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, $upgrade]))[0][4]);
        self::assertSame('[true,false]', $host->deliver('')[0][5]);
        self::assertSame(['user', 'nobody'],
            $host->done($host->event(Frame::OPEN, [self::SOCKET, 1, self::UPGRADE]))[0][4]);
    }

    public function testAnEventBehindDrainIsRefused(): void
    {
        $host = FakeHost::serving(self::ECHO);
        $codec = new Codec(false);
        $host->raw($codec->frame([Frame::DRAIN, 0]) . $codec->frame([Frame::MESSAGE, 1, 1, self::SOCKET, 1, 'x']));
        self::assertSame([Frame::RESET, 1, Frame::CODE_REFUSED], array_slice($host->next(), 0, 3));
        self::assertSame([Frame::DONE, 1], $host->next());
        self::assertSame(0, $host->end());
    }

    public function testARequestsActsGoOutWithItsDone(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            $worker = Worker::create(); $all = $worker->connections();
            $worker->onRequest(function (Request $r) use ($all) {
                $all->sendToAll($r->target);
                return match ($r->target) {
                    '/small' => 'ok',
                    '/stream' => Response::stream((function () use ($all) { yield 'a'; $all->sendToAll('in the middle'); yield 'b'; })()),
                    '/after' => Response::text('ok')->after(fn () => $all->sendToAll('after'))->after(function () use ($all) { $all->sendToAll('lost'); throw new Exception; }),
                    '/throw' => throw new Exception,
                    '/broken' => Response::stream((function () { yield 'a'; throw new Exception; })()),
                };
            })->run();
            PHP);
        $said = function (string $target) use ($host): array {
            $host->request('GET', $target);
            $all = [];
            do {
                $message = $host->next();
                $all[] = $message[0] === Frame::SEND ? $message[5] : $message[0];
            } while ($message[0] !== Frame::DONE
                && !(in_array($message[0], [Frame::RESPONSE, Frame::DATA], true)
                    && ($message[2] & Frame::FLAG_DONE) !== 0));

            return $all;
        };
        self::assertSame(['/small', Frame::RESPONSE], $said('/small'));
        self::assertSame([Frame::RESPONSE, Frame::DATA, '/stream', 'in the middle', Frame::DATA], $said('/stream'));
        self::assertSame([Frame::RESPONSE, '/after', 'after', Frame::DONE], $said('/after'));
        self::assertSame([Frame::RESPONSE], $said('/throw'));
        self::assertSame([Frame::RESPONSE, Frame::RESET, Frame::DONE], $said('/broken'));
    }

    public function testADatagramIsAnsweredAndHasNothingElse(): void
    {
        $udp = ['', 'udp', '192.0.2.1:50000'];
        self::assertSame([[Frame::SEND, 1, 2, 0, [], 'pong', []]],
            self::serving('$c->send("pong");')->deliver('ping', $udp));
        foreach (['$c->join("g");', '$c->session["a"] = 1;', '$c->bindUid("u");'] as $code) {
            self::assertStringContainsString('A datagram has no groups, user or session',
                self::serving($code)->deliver('ping', $udp)[0][3]);
        }
    }

    public function testAConnectionThatIsKeptIsReachedByItsId(): void
    {
        $host = self::serving('static $kept; if ($kept) { $kept->send($data); $kept->join("g"); } $kept ??= $c;');
        $host->deliver('a');
        self::assertSame([[Frame::SEND, 3, 0, 1, ['c1'], 'b', []], [Frame::JOIN, 3, 2, 'c1', ['g'], null]],
            $host->deliver('b', ['c2', 'tcp', '']));
    }

    /** @return iterable<string, array{string, string}> */
    public function mistakes(): iterable
    {
        yield 'text that is none' => ['$c->send("\xff");', 'bytes are sent with binary: true'];
        yield 'a close code' => ['$c->close(1005);', 'not with 1005'];
        yield 'a long reason' => ['$c->close(1000, str_repeat("x", 124));', 'at most 123 bytes of UTF-8'];
        yield 'accept() of a message' => ['$c->accept("chat");', 'accept() is for onOpen()'];
        yield 'an empty id' => ['$all->join("", "g");', 'id is not empty'];
        yield 'a uid that is set' => ['$c->uid = "u";', 'bindUid()'];
        yield 'an id that is no string' => ['$all->send([1.5], "x");', 'this one is float'];
    }

    /** @dataProvider mistakes */
    public function testAMistakeIsAClearError(string $code, string $message): void
    {
        self::assertStringContainsString($message, self::serving($code)->deliver('hi')[0][3]);
    }

    public function testConnectionsCanNotBeReachedFromOnStart(): void
    {
        foreach (['sendToAll("x")', 'count()'] as $call) {
            $host = new FakeHost('$w = Worker::create(); $w->onStart(fn () => $w->connections()->' . $call
                . ')->onRequest(fn () => "ok")->run();');
            $host->hello();
            self::assertStringContainsString('Connections can be reached once the worker is ready', $host->next()[2]);
        }
    }

    public function testWhatIsDoneInOnStopGoesAtOnce(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onMessage(fn () => 1)->onStop(fn () => '
            . '$w->connections()->sendToAll("bye"))->run();');
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([Frame::SEND, 0, 0, 4, [], 'bye', []], $host->next());
    }

    public function testWhatAHandlerPrintsGoesToTheLog(): void
    {
        $host = self::serving('echo "printed"; $c->send("x");');
        self::assertCount(1, $host->deliver('a'));
        self::assertStringContainsString('printed', $host->log());
    }
}
