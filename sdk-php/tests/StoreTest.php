<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Values and locks that the host keeps (SPEC.md §17). */
final class StoreTest extends TestCase
{
    private static function serving(string $body, string $mode = ''): FakeHost
    {
        return FakeHost::serving('$worker = Worker::create()' . $mode . '; $worker->onRequest(function (Request $r) use '
            . '($worker) { $s = $worker->store("s"); try { return json_encode(' . $body . '); } catch (CallFailed '
            . '$e) { return $e->getCode() . $e->getMessage(); } })->run();');
    }

    /**
     * Answers the calls of one request.
     *
     * @param list<mixed> $results
     *
     * @return array{list<array{string, list<mixed>}>, string} them, and the response
     */
    private static function play(FakeHost $host, array $results): array
    {
        $stream = $host->request();
        $calls = [];
        foreach ($results as $result) {
            $call = $host->next();
            self::assertSame(Frame::CALL, $call[0]);
            $calls[] = [$call[2], $call[3]];
            $host->send([Frame::RESULT, $call[1], '', $result]);
        }

        return [$calls, $host->answer($stream)->body];
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testEachMethodAsksWhatSpecSays(string $mode): void
    {
        foreach ([
            ['$s->get("k")', ['store.get', ['s', 'k']], [['a' => 1], 7], '{"a":1}'],
            ['$s->get("k", "d")', ['store.get', ['s', 'k']], null, '"d"'],
            ['$s->getVersioned("k")', ['store.get', ['s', 'k']], ['v', 7], '["v",7]'],
            ['$s->has("k")', ['store.get', ['s', 'k']], [null, 7], 'true'],
            ['$s->set("k", null)', ['store.set', ['s', 'k', null, null]], 8, '8'],
            ['$s->set("k", [1], 1.5)', ['store.set', ['s', 'k', [1], 1500]], 8, '8'],
            ['$s->add("k", 1, 0)', ['store.add', ['s', 'k', 1, 0]], null, 'false'],
            ['$s->compareAndSet("k", 7, "n")', ['store.cas', ['s', 'k', 7, 'n', null]], 8, 'true'],
            ['$s->increment("k")', ['store.increment', ['s', 'k', 1]], 5, '5'],
            ['$s->decrement("k", 3, 60)', ['store.increment', ['s', 'k', -3, 60000]], -3, '-3'],
            ['$s->delete("a", "b")', ['store.delete', ['s', ['a', 'b']]], 1, '1'],
            ['$s->get("k", local: true)', ['store.get', ['s', 'k', true]], ['x', 1], '"x"'],
            ['$s->getMany(["a"], local: true)', ['store.get_many', ['s', ['a'], true]], [['x', 1]], '{"a":"x"}'],
            ['$s->getMany(["a", 7], 0)', ['store.get_many', ['s', ['a', '7']]], [['x', 1], null], '{"a":"x","7":0}'],
            ['$s->setMany(["a" => 1, 7 => 2], 1)', ['store.set_many', ['s', ['a', 1, '7', 2], 1000]], true, 'null'],
            ['$s->scan("p")', ['store.scan', ['s', 'p', '', 1000]], ['p1', 'p2'], '["p1","p2"]'],
            ['$s->clear()', ['store.clear', ['s']], 3, '3'],
            ['$worker->lock("l", keep: true)->token()', ['lock.acquire', ['l', 30000, 0, 'disk', true]], 9, '9'],
            ['$worker->lock("l", 1.2, 2, durable: false)', ['lock.acquire', ['l', 1200, 2000, 'memory', false]], null,
                'null'],
        ] as [$code, $call, $result, $want]) {
            self::assertSame([[$call], $want], self::play(self::serving($code, $mode), [$result]), $code);
        }
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testALockIsReleasedAfterTheHandlerUnlessItWasBefore(string $mode): void
    {
        $host = self::serving('[$worker->lock("a", 5)->token(), $worker->lock("b", 5)->release()]', $mode);
        [$calls] = self::play($host, [3, 4, true]);
        self::assertSame(['lock.release', ['b', 4, 'disk']], $calls[2]);
        $call = $host->next();
        self::assertSame([Frame::CALL, 'lock.release', ['a', 3, 'disk']], [$call[0], $call[2], $call[3]]);
        $host->send([Frame::RESULT, $call[1], '', true]);
        self::assertSame('"next"', self::play(self::serving('"next"', $mode), [])[1]);
    }

    public function testALockIsRenewedByItsToken(): void
    {
        $host = self::serving('(function () use ($worker) { $l = $worker->lock("a", 5); return [$l->renew(7), '
            . '$l->release(), $l->renew(7), $l->release()]; })()');
        [$calls, $body] = self::play($host, [3, true, true]);
        self::assertSame(['lock.renew', ['a', 3, 7000, 'disk']], $calls[1]);
        self::assertSame('[true,true,false,false]', $body);
    }

    public function testOneComputesWhatOthersWaitFor(): void
    {
        $remember = '$s->remember("k", 60, fn () => "made")';
        $lock = 'remember:s:' . hash('xxh128', 'k');
        self::assertSame([[['store.get', ['s', 'k']]], '"there"'], self::play(self::serving($remember), [['there', 1]]));
        self::assertSame([[['store.get', ['s', 'k']], ['lock.acquire', [$lock, 30000, 30000, 'memory', false]],
            ['store.get', ['s', 'k']], ['store.set', ['s', 'k', 'made', 60000]], ['lock.release', [$lock, 5, 'memory']]],
            '"made"'], self::play(self::serving($remember), [null, 5, null, 6, true]));
        [$calls, $body] = self::play(self::serving($remember), [null, 5, ['theirs', 2], true]);
        self::assertSame(['"theirs"', 4], [$body, count($calls)]);
    }

    public function testCodeThatIsOnlyTriedMakesItItself(): void
    {
        $host = self::serving('$s->remember("k", 60, fn () => "made")');
        $stream = $host->request();
        $host->send([Frame::RESULT, $host->next()[1], '', null]);
        $host->send([Frame::RESULT, $host->next()[1], 'only looked at', null, 4]);
        self::assertSame('"made"', $host->answer($stream)->body);
    }

    public function testAnUpdateIsTriedAgain(): void
    {
        [$calls, $body] = self::play(self::serving('$s->update("k", fn ($n) => ($n ?? 0) + 1)'),
            [null, null, [5, 2], 3]);
        self::assertSame([['store.cas', ['s', 'k', 0, 1, null]], ['store.cas', ['s', 'k', 2, 6, null]], '6'],
            [$calls[1], $calls[3], $body]);
    }

    public function testWhatIsNoValueIsRefusedByName(): void
    {
        $host = self::serving('(function () use ($s) { try { $s->set("k", ["a" => new \\stdClass]); } catch (\\TypeError '
            . '$e) { return $e->getMessage(); } })()');
        self::assertStringContainsString("store['a'] holds an object of stdClass", self::play($host, [])[1]);
    }
}
