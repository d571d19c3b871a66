<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Pieces;
use WorkerHost\Tests\Support\FakeHost;

/** Questions to the host, and what comes while a worker waits for the answer (SPEC.md §10.4, §10.5). */
final class CallsTest extends TestCase
{
    private const SOCKET = ['c1', 'websocket', '192.0.2.1:50000'];

    private static function serving(string $body): FakeHost
    {
        return FakeHost::serving('$worker = Worker::create(); $worker->onMessage(function (Connection $c, string '
            . '$data) use ($worker) { $all = $worker->connections(); ' . $body . ' })'
            . '->onRequest(fn (Request $r) => "request " . $r->body())->run();');
    }

    /**
     * Answers the calls of one message, and gives them with what the handler sent in the end.
     * @param list<mixed> $results
     */
    private static function play(FakeHost $host, array $results): array
    {
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $calls = [];
        foreach ($results as $result) {
            $call = $host->next();
            self::assertContains($call[0], [Frame::CALL, Frame::SWAP]);
            $calls[] = $call[0] === Frame::SWAP ? array_slice($call, 1) : array_slice($call, 2, $call[4] > 0 ? 3 : 2);
            $host->send([Frame::RESULT, $call[1], '', $result]);
        }

        return [$calls, $host->done($stream)[0][5] ?? null];
    }

    public function testEachQuestionIsWhatSpecSays(): void
    {
        $host = self::serving('$c->send(json_encode([$all->count(), $all->count("g"), $all->ids(), $all->ids("g"), '
            . '$all->uids(), $all->uids("g"), $all->isOnline(7), $all->isOnline("u"), $all->session("x"), '
                . '$all->session("y"), $all->idsOf(7), $all->groups(), $all->groups("g"), $all->members("7")]));');
        [$calls, $answer] = self::play($host,
            [3, 2, ['a', 'b'], [], ['u'], ['v'], true, false, [1, ['k', 'v']], null, ['a'],
                ['g', 2, '7', 1], [], ['v']]);
        self::assertSame([
            ['count', []], ['count', ['g']], ['ids', []], ['ids', ['g']], ['uids', []], ['uids', ['g']],
            ['online', ['7']], ['online', ['u']], ['session', ['x']], ['session', ['y']],
            ['user', ['7']], ['groups', []], ['groups', ['g']], ['presence.members', ['7']],
        ], $calls);
        $answers = '[3,2,["a","b"],[],["u"],["v"],true,false,{"k":"v"},null,["a"],{"g":2,"7":1},[],["v"]]';
        self::assertSame($answers, $answer);
    }

    public function testStreamsOfCallsAreEvenAndGrow(): void
    {
        $host = self::serving('$all->count(); $all->count();');
        $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        foreach ([2, 4] as $stream) {
            self::assertSame($stream, $host->next()[1]);
            $host->send([Frame::RESULT, $stream, '', 1]);
        }
    }

    public function testAnotherConnectionIsSeenAndReached(): void
    {
        $host = self::serving('$x = $all->connection("x"); $x->send("to x: " . $x->uid . json_encode([$x->groups, '
            . '$x->session])); $all->connection("y") === null && $c->send("none");');
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $host->send([Frame::RESULT, $host->next()[1], '', ['x', 'tcp', '', 'u', ['g'], ['a', 1]]]);
        $host->send([Frame::RESULT, $host->next()[1], '']);
        self::assertSame([[Frame::SEND, 1, 0, 1, ['x'], 'to x: u[["g"],{"a":1}]', []],
            [Frame::SEND, 1, 2, 0, [], 'none', []]], $host->done($stream));
    }

    public function testUpdateSessionTriesUntilNobodyElseWasThere(): void
    {
        $host = self::serving('$c->send(json_encode($all->updateSession("x", function (array $s) { $s["n"]++; '
            . 'unset($s["old"]); return $s; })));');
        [$calls, $answer] = self::play($host, [[7, ['n', 1, 'old', true]], false, [9, ['n', 5]], true]);
        self::assertSame([['session', ['x']], [4, 'x', 7, ['n', 2], ['old']], ['session', ['x']],
            [8, 'x', 9, ['n', 6], []]], $calls);
        self::assertSame('{"n":6}', $answer);
    }

    public function testASessionOfOlderCodeIsUpgradedWhereverItIsRead(): void
    {
        $host = FakeHost::serving('$worker = Worker::create(); $worker->onUpgrade(2, function (array $s, int $from) { '
            . 'return isset($s["bad"]) ? throw new Exception("bad") : [...$s, "from" => $from]; })'
            . '->onMessage(function (Connection $c) use ($worker) { $all = $worker->connections(); '
            . '$c->send(json_encode([$all->session("x"), $all->connection("x")->session, '
            . 'array_keys($all->all()), $all->updateSession("x", fn (array $s) => [...$s, "new" => 1])])); })->run();');
        $old = ['a', 1, 'workerhost.version', 1];
        [$calls, $answer] = self::play($host, [[7, $old], ['x', 'tcp', '', '', [], $old],
            [['x', 'tcp', '', '', [], $old], ['y', 'tcp', '', '', [], ['bad', 1]]], [7, $old], true]);
        self::assertSame('[{"a":1,"from":1},{"a":1,"from":1},["x"],{"a":1,"from":1,"new":1}]', $answer);
        self::assertSame([8 + 2, 'x', 7, ['from', 1, 'new', 1, 'workerhost.version', 2], []], $calls[4]);
    }

    public function testUpdateSessionOfAConnectionThatIsGoneIsNull(): void
    {
        $host = self::serving('$c->send(json_encode($all->updateSession("x", fn (array $s) => ["n" => 1])));');
        self::assertSame('null', self::play($host, [[7, []], false, null])[1]);
        self::assertSame('null', self::play($host, [null])[1]);
    }

    public function testAnErrorOfTheHostIsAnException(): void
    {
        $host = self::serving('try { $all->count(); } catch (CallFailed $e) { $c->send($e->getMessage()); }');
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $host->send([Frame::RESULT, $host->next()[1], 'no connections here']);
        self::assertSame('the host says: no connections here', $host->done($stream)[0][5]);
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $host->send([Frame::RESET, $host->next()[1], Frame::CODE_UNKNOWN, 'type 48']);
        self::assertSame('the host knows no connections; it is older than this SDK', $host->done($stream)[0][5]);
    }

    public function testAnErrorOfTheHostHasItsCode(): void
    {
        $host = self::serving('try { $all->count(); } catch (CallFailed $e) { $c->send($e->getCode() . " " . '
            . '($e->getCode() === CallFailed::UNAVAILABLE ? "later" : "")); }');
        foreach ([[100, '100 later'], [299, '299 '], [0, '0 ']] as [$code, $answer]) {
            $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
            $host->send([Frame::RESULT, $host->next()[1], 'no', null, $code]);
            self::assertSame($answer, $host->done($stream)[0][5]);
        }
    }

    public function testAQuestionHasTheTimeThatItIsGiven(): void
    {
        $host = self::serving(
            '$all->withTimeout(1.5)->count("g"); $all->withTimeout(0.0001)->isOnline("u"); $all->session("x");');
        [$calls] = self::play($host, [1, true, null]);
        self::assertSame([['count', ['g'], 1500], ['online', ['u'], 1], ['session', ['x']]], $calls);
    }

    public function testAnAnswerInPiecesIsPutTogether(): void
    {
        $host = self::serving(
            'try { $c->send(json_encode($all->ids())); } catch (CallFailed $e) { $c->send((string) $e->getCode()); }');
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $call = $host->next()[1];
        foreach ([[['a', 'b'], true], [[], true], [['c', 'd'], true], [['e'], false]] as [$ids, $more]) {
            $host->send([Frame::RESULT, $call, '', $ids, 0, $more]);
        }
        self::assertSame('["a","b","c","d","e"]', $host->done($stream)[0][5]);
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $call = $host->next()[1];
        $host->send([Frame::RESULT, $call, '', ['a'], 0, true]);
        $host->send([Frame::RESULT, $call, 'too much', null, 5]);
        self::assertSame('5', $host->done($stream)[0][5]);
    }

    public function testPiecesThatDoNotFitTogetherEndTheLink(): void
    {
        $host = self::serving('$all->ids();');
        $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $call = $host->next()[1];
        $host->send([Frame::RESULT, $call, '', ['a'], 0, true]);
        $host->send([Frame::RESULT, $call, '', 'b']);
        self::assertSame(1, $host->end());
        self::assertStringContainsString('pieces of a RESULT', $host->log());
    }

    public function testPiecesAreBounded(): void
    {
        $pieces = new Pieces();
        self::assertFalse($pieces->add([Frame::RESULT, 2, '', 'a', 0, true], Pieces::MOST));
        $this->expectException(LinkError::class);
        $pieces->add([Frame::RESULT, 2, '', 'b', 0, true], 1);
    }

    public function testTheEndOfTheHostEndsAWorkerThatWaits(): void
    {
        $host = self::serving('$all->count();');
        $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $host->next();
        self::assertSame(0, $host->end());
    }

    public function testAnEventThatWasCutOffInACallIsNotHalfDone(): void
    {
        $host = self::serving('$c->send("lost"); $all->count();');
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $host->send([Frame::RESULT, $host->next()[1], 'no']);
        self::assertSame([Frame::RESET, Frame::DONE], array_column($host->done($stream), 0));
    }

    public function testWhatComesDuringACallIsKeptInOrder(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onRequest(function (Request $r) use ($w) { return '
            . '$r->target === "/a" ? $w->connections()->count() . $r->body() : $r->target; })->run();');
        $codec = new Codec(false);
        $stream = $host->request('POST', '/a', [], 'x', false);
        $call = $host->next()[1];
        $get = fn (int $stream): string =>
            $codec->frame([Frame::REQUEST, $stream, 1, 'GET', "/$stream", '1.1', 'http', '', '', []]);
        $host->raw($get(3) . $get(5) . $codec->frame([Frame::PING, 0, 7])
            . $codec->frame([Frame::DATA, $stream, 0, 'y']) . $codec->frame([Frame::RESET, 5, 1])
            . $codec->frame([Frame::RESULT, $call, '', 42]) . $codec->frame([Frame::DATA, $stream, 1, 'z']));
        $answers = [];
        while (count($answers) < 4) {
            $message = $host->next();
            $answers[] = match ($message[0]) {
                Frame::RESPONSE => $message[5], Frame::PONG => 'PONG', Frame::DONE => 'DONE ' . $message[1]
            };
        }
        self::assertSame(['PONG', 'DONE 5', '42xyz', '/3'], $answers);
    }

    public function testADrainDuringACallWaitsForTheHandler(): void
    {
        $host = self::serving('$c->send((string) $all->count());');
        $stream = $host->event(Frame::MESSAGE, [1, self::SOCKET, 1, 'go']);
        $call = $host->next()[1];
        $host->send([Frame::DRAIN, 0]);
        $host->send([Frame::RESULT, $call, '', 1]);
        self::assertSame('1', $host->done($stream)[0][5]);
        self::assertSame([], $host->next());
        self::assertSame(0, $host->end());
    }

    public function testALongMessageThatOpensWhileATimerAsksIsWhole(): void
    {
        $host = FakeHost::serving('$w = Worker::create(); $w->onMessage(fn (Connection $c, string $data) => '
            . '$c->send($data))->every(0.01, function () use ($w) { static $once; if (!$once) { $once = true; '
                . '$w->connections()->count(); } })->run();');
        $call = $host->next();
        self::assertSame(Frame::CALL, $call[0]);
        $stream = $host->event(Frame::MESSAGE, [4, self::SOCKET, 1, 'a']);
        $host->send([Frame::DATA, $stream, 0, 'b']);
        $host->send([Frame::RESULT, $call[1], '', 1]);
        $host->send([Frame::DATA, $stream, 1, 'c']);
        self::assertSame('abc', $host->done($stream)[0][5]);
    }
}
