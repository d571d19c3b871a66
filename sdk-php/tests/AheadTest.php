<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Requests and messages that are handed ahead (SPEC.md §4.5). */
final class AheadTest extends TestCase
{
    private const NAMES_TARGET = 'Worker::create()->onRequest(function (Request $r) { Log::info("begun $r->target"); '
        . 'return $r->target; })->run();';

    /** @return list<mixed> */
    private static function get(int $stream): array
    {
        return [Frame::REQUEST, $stream, 1, 'GET', "/$stream", '1.1', 'http', '', '', []];
    }

    /** @param list<mixed> ...$messages */
    private static function atOnce(FakeHost $host, array ...$messages): void
    {
        $codec = new Codec(false);
        $host->raw(implode('', array_map($codec->frame(...), $messages)));
    }

    public function testRequestsAreAnsweredInOrder(): void
    {
        $host = FakeHost::serving(self::NAMES_TARGET);
        self::atOnce($host, self::get(1), self::get(3), self::get(5));
        foreach ([1, 3, 5] as $stream) {
            $message = $host->next();
            self::assertSame([Frame::RESPONSE, $stream, 3, "/$stream"],
                [$message[0], $message[1], $message[2], $message[5]]);
        }
    }

    public function testARecalledRequestIsNotBegun(): void
    {
        $host = FakeHost::serving(self::NAMES_TARGET);
        self::atOnce($host, self::get(1), self::get(3), [Frame::RESET, 3, 1], self::get(5));
        self::assertSame(1, $host->next()[1]);
        self::assertSame([Frame::DONE, 3], $host->next());
        self::assertSame(5, $host->next()[1]);
        self::assertSame(['begun /1', 'begun /5'], array_column($host->logs, 3));
    }

    public function testARequestThatComesWhileABodyIsReadWaitsItsTurnAndCanBeRecalled(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { Log::info("begun '
            . '$r->target"); return $r->body() . $r->target; })->run();');
        $upload = [Frame::REQUEST, 1, 0, 'POST', '/1', '1.1', 'http', '', '', []];
        self::atOnce($host, $upload, self::get(3), self::get(5), [Frame::RESET, 3, 1], [Frame::DATA, 1, 1, 'body']);
        $answers = [];
        while (count($answers) < 3) {
            $message = $host->next();
            $answers[$message[1]] = $message[0] === Frame::DONE ? 'DONE' : $message[5];
        }
        self::assertSame(['DONE', 'body/1', '/5'], [$answers[3], $answers[1], $answers[5]]);
        self::assertSame(['begun /1', 'begun /5'], array_column($host->logs, 3));
    }

    public function testARequestThatWasRecalledDuringASlowOneIsNotBegun(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { Log::info("begun '
            . '$r->target"); usleep(300_000); return $r->target; })->run();');
        self::atOnce($host, self::get(1), self::get(3), self::get(5));
        usleep(100_000); // it has read them by then, and is busy with the first
        self::atOnce($host, [Frame::RESET, 3, 1], [Frame::RESET, 5, 1], self::get(7));
        self::assertSame(1, $host->next()[1]);
        self::assertSame([[Frame::DONE, 3], [Frame::DONE, 5]], [$host->next(), $host->next()]);
        self::assertSame(7, $host->next()[1]);
        self::assertSame(['begun /1', 'begun /7'], array_column($host->logs, 3));
    }

    public function testAWorkerThatExitsSaysSoFirstAndWhatItHasBegun(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { Log::info("begun $r->target"); '
            . 'register_shutdown_function(fn () => Log::info("the code\'s own end")); exit; })->run();');
        self::atOnce($host, self::get(1), self::get(3), self::get(5));
        self::assertSame([Frame::RESPONSE, 1], array_slice($host->next(), 0, 2));
        self::assertSame(1, $host->begun);
        self::assertSame('begun /1', $host->logs[0][3]);
        self::assertSame([], $host->next());
        self::assertSame("the code's own end", end($host->logs)[3]);
        self::assertSame('begun /1', $host->logs[0][3]);
    }

    public function testDrainRefusesWhatWasNotBegun(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(function (Request $r) { return $r->body(); })->run();');
        $upload = [Frame::REQUEST, 1, 0, 'POST', '/1', '1.1', 'http', '', '', []];
        self::atOnce($host, $upload, self::get(3), [Frame::DRAIN, 0], [Frame::DATA, 1, 1, 'body']);
        self::assertSame('body', $host->next()[5]);
        self::assertSame([Frame::RESET, 3, Frame::CODE_REFUSED], array_slice($host->next(), 0, 3));
        self::assertSame([Frame::DONE, 3], $host->next());
        self::assertSame([], $host->next());
    }

    /** @return list<mixed> */
    private static function message(int $stream): array
    {
        return [Frame::MESSAGE, $stream, 5, ["c$stream", 'tcp', '127.0.0.1:1'], 1, "m$stream"];
    }

    public function testMessagesAreHandledInOrderButForThoseThatWereRecalled(): void
    {
        $host = FakeHost::serving('Worker::create()->onMessage(function (Connection $c, string $m) { '
            . 'usleep(300_000); $c->send($m); })->run();');
        self::atOnce($host, self::message(1), self::message(3), self::message(5), self::message(7));
        usleep(30_000); // it has read them by then, and is busy with the first
        self::atOnce($host, [Frame::RESET, 3, 1]);
        self::assertSame('m1', $host->next()[5]);
        self::assertSame([Frame::DONE, 3], $host->next());
        self::assertSame(['m5', 'm7'], [$host->next()[5], $host->next()[5]]);
    }

    public function testAMessageThatIsAskedBackIsGivenBackUnlessItHasBegun(): void
    {
        $host = FakeHost::serving('Worker::create()->onMessage(function (Connection $c, string $m) { '
            . 'usleep(300_000); $c->send($m); })->run();');
        self::atOnce($host, self::message(1), self::message(3), self::message(5));
        usleep(30_000); // it has read them by then, and is busy with the first
        self::atOnce($host, [Frame::RESET, 1, Frame::CODE_RECALLED], [Frame::RESET, 3, Frame::CODE_RECALLED]);
        self::assertSame('m1', $host->next()[5]);
        self::assertSame([Frame::RESET, 3, Frame::CODE_REFUSED], array_slice($host->next(), 0, 3));
        self::assertSame([Frame::DONE, 3], $host->next());
        self::assertSame('m5', $host->next()[5]);
    }

    public function testAWorkerThatExitsInAMessageBetweenTwoOrAtItsEndSaysWhatItHasBegun(): void
    {
        $host = FakeHost::serving('Worker::create()->onMessage(function (Connection $c, string $m) { if ($m === "m3") '
            . '{ exit; } })->run();');
        self::atOnce($host, self::message(1), self::message(3), self::message(5));
        self::assertSame([Frame::DONE, 1], $host->next());
        self::assertSame([], $host->next());
        self::assertSame(3, $host->begun);

        $host = FakeHost::serving('Worker::create()->onRequest(fn () => "x")->every(0.05, fn () => exit(3))->run();');
        self::assertSame([], $host->next());
        self::assertSame([0, 3], [$host->begun, $host->end()]);

        $host = FakeHost::serving('Worker::create()->onRequest(fn () => ob_start(null, 0, 0) ? "x" : "")'
            . '->onStop(fn () => Log::info("stops"))->run();');
        self::assertSame('x', $host->get()->body);
        self::assertSame(1, $host->begun, 'it has left a buffer that can not be ended');
        self::assertSame([], $host->next());
        self::assertSame('stops', end($host->logs)[3]);
    }

    public function testAWorkerThatIsToldToEndSaysNothingOfIt(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => "x")->run(); exit(2);');
        $host->send([Frame::DRAIN, 0]);
        self::assertSame([], $host->next());
        self::assertSame([null, 2], [$host->begun, $host->end()]);
    }
}
