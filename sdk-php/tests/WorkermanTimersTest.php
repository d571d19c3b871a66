<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Timers of a program for Workerman. */
final class WorkermanTimersTest extends TestCase
{
    private static function program(string $code): FakeHost
    {
        return FakeHost::serving(<<<PHP
            use Workerman\Worker as W;
            use Workerman\Timer;
            \$w = new W('websocket://127.0.0.1:8080');
            \$w->onMessage = fn (\$c, \$m) => null;
            $code
            W::runAll();
            PHP, php: [...FakeHost::PHP, '-d', 'auto_prepend_file=' . __DIR__ . '/../workerman.php']);
    }

    /** What was printed, once it ends so. */
    private static function printed(FakeHost $host, string $end): string
    {
        $until = microtime(true) + 20;
        while (!str_ends_with($printed = implode('', $host->printed), $end) && microtime(true) < $until) {
            $host->silent(0.01);
        }

        return $printed;
    }

    public function testTimersRunAndAreDeleted(): void
    {
        $host = self::program(<<<'PHP'
            class Mail {
                public function send($to, $text) { echo "$to:$text "; }
                public static function post($to) { echo "posted:$to "; }
            }
            function late($word) { echo "$word "; }
            function others() {
                Timer::add(0, 'late', ['function'], false);
                Timer::add(0, [new Mail(), 'send'], ['ada', 'hi'], false);
                Timer::add(0, ['Mail', 'post'], ['bob'], false);
                Timer::add(0, '\Mail::post', ['eve'], false);
                Timer::delay(0, fn ($a) => print("delayed:$a "), ['x']);
                $repeated = Timer::repeat(60, fn () => null);
                Timer::add(0, fn ($repeated) => print('gone:' . var_export(Timer::del($repeated), true)), [$repeated], false);
                Timer::add(0, fn () => Timer::delAll(), null, false);
                Timer::add(0.01, fn () => print('never'), [], false);
            }
            $w->onWorkerStart = function () {
                $n = 0;
                $id = Timer::add(0.001, function () use (&$id, &$n) {
                    echo ++$n, ' ';
                    if ($n === 3) {
                        var_export(Timer::del($id));
                        var_export(Timer::del($id));
                        echo ' ';
                        others();
                    }
                });
            };
            PHP);
        self::assertSame('1 2 3 truefalse function ada:hi posted:bob posted:eve delayed:x gone:true',
            self::printed($host, 'gone:true'));
        self::assertTrue($host->silent(0.1));
        self::assertStringNotContainsString('never', implode('', $host->printed));
    }

    public function testATimerThatThrowsIsLogged(): void
    {
        $host = self::program('$w->onWorkerStart = fn () => Timer::add(0.001, fn () => throw new Exception("of a timer"), [], '
            . 'false);');
        self::assertStringContainsString('of a timer', $host->nextLog()[3]);
    }

    public function testAnIntervalBelowZeroIsAnError(): void
    {
        $host = self::program('$w->onWorkerStart = function () { try { Timer::add(-1, "strlen"); } catch '
            . '(RuntimeException $e) { echo "refused"; } };');
        self::assertSame('refused', self::printed($host, 'refused'));
    }

    private const LOGIN = <<<'PHP'
        $w->onConnect = function ($c) { $c->timer = Timer::add(0.05, fn () => $c->send('too late'), null, false); };
        $w->onMessage = function ($c, $m) { Timer::del($c->timer); };
        PHP;

    /** @param list<mixed> $session @return list<mixed> the connection */
    private static function connection(array $session): array
    {
        return ['c1', 'websocket', '192.0.2.1:50000', '', [], $session, '127.0.0.1:8080'];
    }

    /** What an event has set in the session. @param list<list<mixed>> $said @return list<mixed> */
    private static function set(array $said): array
    {
        foreach ($said as $message) {
            if ($message[0] === Frame::SET) {
                return $message[4];
            }
        }
        self::fail('no SET');
    }

    public function testATimerOfAConnectionIsDeletedFromAnotherProcess(): void
    {
        $one = self::program(self::LOGIN);
        $stream = $one->event(Frame::OPEN, [self::connection([]), 1, null]);
        $session = self::set($one->done($stream));
        self::assertSame('wm.set.timer', $session[0]);

        $other = self::program(self::LOGIN);
        $said = $other->deliver('login', self::connection($session));
        $deleted = self::set($said);
        self::assertSame(['wm.timers', [$session[1]]], $deleted);

        [$type, $call, $method, $arguments] = $one->next(); // the time has come
        self::assertSame([Frame::CALL, 'session', ['c1']], [$type, $method, $arguments]);
        $one->send([Frame::RESULT, $call, '', [2, [...$session, ...$deleted]]]);
        self::assertTrue($one->silent(0.1));

        // and one that nobody has deleted runs
        $stream = $one->event(Frame::OPEN, [self::connection([]), 1, null]);
        $session = self::set($one->done($stream));
        $one->send([Frame::RESULT, $one->next()[1], '', [2, $session]]);
        self::assertSame([Frame::SEND, 0], array_slice($one->next(), 0, 2));
    }

    public function testARepeatedTimerEndsWithItsConnection(): void
    {
        $host = self::program('$w->onConnect = function ($c) { $c->context->t = Timer::add(0.02, fn () => print("run ")); };');
        $stream = $host->event(Frame::OPEN, [self::connection([]), 1, null]);
        $session = self::set($host->done($stream));
        $host->send([Frame::RESULT, $host->next()[1], '', [1, $session]]);
        $host->send([Frame::RESULT, $host->next()[1], '', null]); // another process was told of the end
        self::assertTrue($host->silent(0.1));
        self::assertSame('run ', implode('', $host->printed));
    }

    public function testATimerThatRunsOnceOutlivesItsConnection(): void
    {
        $host = self::program('$w->onConnect = function ($c) { $c->t = Timer::add(0.02, fn () => print("saved"), [], false); };');
        $stream = $host->event(Frame::OPEN, [self::connection([]), 1, null]);
        $session = self::set($host->done($stream));
        $host->done($host->event(Frame::CLOSE, [self::connection($session), 1, 1000, '', true]));
        self::assertSame('saved', self::printed($host, 'saved'));
    }

    public function testAForeignTimerOutsideOfAnEventIsToldOf(): void
    {
        $host = self::program('$w->onWorkerStart = fn () => Timer::del(7);');
        self::assertStringContainsString('has not made, which is heard in an event', json_encode($host->logs));
    }
}
