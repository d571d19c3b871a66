<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Entries;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** Connection::$session, and its way over the wire (SPEC.md §9.3, §10.3). */
final class ConnectionSessionTest extends TestCase
{
    /** @return iterable<string, array{mixed}> */
    public function values(): iterable
    {
        $deep = 'bottom';
        for ($i = 0; $i < 14; ++$i) {
            $deep = $i % 2 === 0 ? [$deep] : ['k' => $deep];
        }
        foreach ([
            'null' => null, 'true' => true, 'false' => false, 'zero' => 0, 'minus one' => -1,
            'the largest' => \PHP_INT_MAX, 'the smallest' => \PHP_INT_MIN, 'a whole float' => 1.0,
            'a float' => 0.1, 'infinity' => \INF, 'nothing' => '', 'text' => 'grüße', 'bytes' => "\0\xff\x80",
            'long' => str_repeat('x', 70000), 'empty' => [], 'a list' => [1, 'a', null, [true]],
            'a map' => ['a' => 1, 'b' => ['c' => [2.5]]], 'digits for keys' => [5 => 'five', 7 => 'seven'],
            'a list out of order' => [1 => 'b', 0 => 'a'], 'deep' => $deep,
        ] as $name => $value) {
            yield $name => [$value];
        }
    }

    /** @dataProvider values */
    public function testAValueComesBackAsItWas(mixed $value): void
    {
        [$set] = Entries::changes([], ['key' => $value]);
        foreach ([new Codec(false), new Codec(\extension_loaded('msgpack'))] as $codec) {
            $message = $codec->message(substr(
                $codec->frame([Frame::MESSAGE, 1, 1, ['c', 'tcp', '', '', [], $set], 1, 'x']), 4));
            self::assertSame(['key' => $value], Entries::session($message[3][5]));
            $message = $codec->message(substr($codec->frame([Frame::RESULT, 2, '', [1, $set]]), 4));
            self::assertSame(['key' => $value], Entries::session($message[3][1]));
        }
    }

    public function testValuesOfOtherLanguagesAreArraysAndStayAsTheyAreUnlessChanged(): void
    {
        // an empty map, a map that looks like a list, and an extension
        $entries = "\x96\xa1a\x80\xa1b\x82\x00\x01\x01\x02\xa1c\xd4\x05\x07";
        foreach ([new Codec(false), new Codec(\extension_loaded('msgpack'))] as $codec) {
            $message = $codec->message("\x96\x21\x01\x01\x96\xa1c\xa3tcp\xa0\xa0\x90$entries\x01\xa1x");
            self::assertSame(['a' => [], 'b' => [1, 2], 'c' => ['type' => 5, 'data' => "\7"]],
                Entries::session($message[3][5]));
        }
    }

    private static function serving(string $body): FakeHost
    {
        return FakeHost::serving('Worker::create()->onMessage(function (Connection $c, string $data) { ' . $body
            . ' })->run();');
    }

    /** @param list<mixed> $session */
    private static function with(array $session): array
    {
        return ['c1', 'tcp', '192.0.2.1:1', '', [], $session];
    }

    public function testOnlyWhatWasChangedIsSent(): void
    {
        $host = self::serving('$c->session["b"] = 3; unset($c->session["c"]); $c->session["d"]["x"][] = 1; '
            . '$c->session["a"] = 1; $c->session[12] = "n";');
        self::assertSame([[Frame::SET, 1, 2, '', ['b', 3, 'd', ['x' => [1]], '12', 'n'], ['c']]],
            $host->deliver('', self::with(['a', 1, 'b', 2, 'c', 4])));
    }

    public function testASessionThatIsAsItWasIsNotSent(): void
    {
        $host = self::serving('$c->session["a"]++; $c->session["a"]--; $c->session["t"] = 1; '
            . 'unset($c->session["t"]); $c->session = array_reverse($c->session, true);');
        self::assertSame([[Frame::DONE, 1]], $host->deliver('', self::with(['a', 1, 'b', 2])));
    }

    public function testTheSessionGoesBehindWhatWasSentInOneDone(): void
    {
        self::assertSame([[Frame::SEND, 1, 0, 0, [], 'x', []], [Frame::SET, 1, 2, '', ['a', 1], []]],
            self::serving('$c->session["a"] = 1; $c->send("x");')->deliver(''));
    }

    /** @return iterable<string, array{string, string}> */
    public function refused(): iterable
    {
        yield 'an object' => ['new DateTime()', "session['k'] holds an object of DateTime; a session takes strings"];
        yield 'an object within' => ['["cart" => [["item" => new ArrayObject()]]]',
            "session['k']['cart']['0']['item'] holds an object of ArrayObject"];
        yield 'a function' => ['fn () => 1', "session['k'] holds an object of Closure"];
        yield 'a resource' => ['fopen("php://memory", "r")', "session['k'] holds a resource (stream)"];
        yield 'what is too deep' => ['json_decode(str_repeat("[", 15) . str_repeat("]", 15))',
            'is nested too deep: a session takes arrays 14 deep'];
    }

    /** @dataProvider refused */
    public function testWhatCanNotBeKeptIsRefusedByName(string $value, string $error): void
    {
        $said = self::serving("\$c->send('lost'); \$c->session['k'] = $value;")->deliver('');
        self::assertSame([Frame::RESET, Frame::DONE], array_column($said, 0));
        self::assertStringContainsString($error, $said[0][3]);
    }

    public function testASessionTooLongForAFrameIsAnErrorOfTheHandler(): void
    {
        $said = self::serving('$c->session["k"] = str_repeat("x", 17 << 20);')->deliver('');
        self::assertSame([Frame::RESET, Frame::DONE], array_column($said, 0));
        self::assertStringContainsString('SET is 17825', $said[0][3]);
    }

    private static function upgrading(string $upgrade, string $body): FakeHost
    {
        return FakeHost::serving("Worker::create()->onUpgrade(2, fn (array \$s, int \$from) => $upgrade)"
            . "->onMessage(function (Connection \$c, string \$data) { $body })->run();");
    }

    public function testASessionOfOlderCodeIsUpgradedBeforeTheFirstEventAndKept(): void
    {
        $host = self::upgrading('["user" => ["name" => $s["name"]], "from" => $from]',
            '$c->send(json_encode($c->session));');
        self::assertSame([
            [Frame::SEND, 1, 0, 0, [], '{"user":{"name":"Ada"},"from":0}', []],
            [Frame::SET, 1, 2, '', ['user', ['name' => 'Ada'], 'from', 0, 'workerhost.version', 2], ['name']],
        ], $host->deliver('', self::with(['name', 'Ada'])));
        self::assertSame([
            [Frame::SEND, 3, 0, 0, [], '{"user":{"name":"Ada"},"from":1}', []],
            [Frame::SET, 3, 2, '', ['user', ['name' => 'Ada'], 'from', 1, 'workerhost.version', 2], ['name']],
        ], $host->deliver('', self::with(['name', 'Ada', 'workerhost.version', 1])));
    }

    public function testOneThatAnUpgradeLeavesAsItIsHasTheVersionNevertheless(): void
    {
        self::assertSame([[Frame::SET, 1, 2, '', ['workerhost.version', 2], []]],
            self::upgrading('$s', '')->deliver('', self::with(['name', 'Ada'])));
    }

    /** @return iterable<string, array{list<mixed>}> */
    public function current(): iterable
    {
        yield 'of this version' => [['a', 1, 'workerhost.version', 2]];
        yield 'of a newer one' => [['a', 1, 'workerhost.version', 3]];
        yield 'empty' => [[]];
    }

    /**
     * @param list<mixed> $session
     *
     * @dataProvider current
     */
    public function testASessionThatIsNotOlderIsLeftAlone(array $session): void
    {
        $host = self::upgrading('throw new Exception("called")', '$c->send((string) count($c->session));');
        self::assertSame([[Frame::SEND, 1, 2, 0, [], (string) (int) ($session !== []), []]],
            $host->deliver('', self::with($session)));
    }

    public function testWhatNewCodeWritesHasItsVersionAndNewerCodesStays(): void
    {
        $host = self::upgrading('$s', '$c->session["b"] = 1;');
        self::assertSame([[Frame::SET, 1, 2, '', ['b', 1, 'workerhost.version', 2], []]], $host->deliver(''));
        self::assertSame([[Frame::SET, 3, 2, '', ['b', 1], []]],
            $host->deliver('', self::with(['a', 1, 'workerhost.version', 3])));
    }

    public function testAHeldResponsesSessionHasTheVersion(): void
    {
        $host = FakeHost::serving('Worker::create()->onUpgrade(2, fn (array $s) => $s)'
            . '->onRequest(fn () => Response::hold("x", session: ["a" => 1]))->run();');
        self::assertSame(['a', 1, 'workerhost.version', 2], $host->done($host->request())[0][7][2]);
    }

    /** @return iterable<string, array{string, string}> */
    public function failing(): iterable
    {
        yield 'a throw' => ['throw new RuntimeException("no such user")', 'RuntimeException: no such user'];
        yield 'no array' => ['null', 'onUpgrade() returned null; it has to return the session'];
        yield 'what can not be kept' => ['["k" => new DateTime()]', "session['k'] holds an object of DateTime"];
        yield 'the own key' => ['["workerhost.version" => 9]', "session['workerhost.version'] is the SDK's own"];
    }

    /** @dataProvider failing */
    public function testAnUpgradeThatFailsIsAnEventWhoseHandlerFailed(string $upgrade, string $error): void
    {
        $host = self::upgrading($upgrade, '$c->send("handled");');
        $said = $host->deliver('', self::with(['name', 'Ada']));
        self::assertSame([Frame::RESET, Frame::DONE], array_column($said, 0));
        self::assertStringContainsString($error, $said[0][3]);
        self::assertSame([[Frame::SEND, 3, 2, 0, [], 'handled', []]], $host->deliver('', self::with([])));
    }

    public function testAHandlerThatThrowsLeavesTheSessionToBeUpgradedAgain(): void
    {
        $said = self::upgrading('[...$s, "b" => 1]', 'throw new Exception();')
            ->deliver('', self::with(['name', 'Ada']));
        self::assertSame([Frame::RESET, Frame::DONE], array_column($said, 0));
    }

    public function testOnTrialItIsTriedOnLiveSessionsAndNothingIsKept(): void
    {
        $host = new FakeHost('Worker::create()->onUpgrade(2, fn (array $s) => $s["n"] === 2 '
            . '? throw new RuntimeException("no two") : ["m" => 1])->onMessage(fn () => null)->run();');
        $host->send([Frame::HELLO, 0, [1], 'test', 1, 0, Frame::MAX, 262144, 'fake', false, ['trial'], []]);
        self::assertContains('upgrade', $host->next()[6]);
        self::assertSame([Frame::CALL, 2, 'trial.sessions'], array_slice($host->next(), 0, 3));
        $connection = fn (string $id, array $session): array => [$id, 'tcp', '', '', [], $session];
        $host->send([Frame::RESULT, 2, '', [$connection('a', ['n', 1]), $connection('b', ['n', 2]),
            $connection('c', ['n', 2, 'workerhost.version', 2]), $connection('d', ['n', 2, 'workerhost.version', 1])]]);
        $told = $host->next();
        self::assertSame([Frame::CALL, 4, 'trial.upgraded'], array_slice($told, 0, 3));
        self::assertSame([3, ['b', 'd'], [0, 1]], array_slice($told[3], 0, 3));
        self::assertStringStartsWith('RuntimeException: no two in ', $told[3][3][1]);
        $host->send([Frame::RESULT, 4, '']);
        self::assertSame([[Frame::DONE, 1]], $host->deliver(''));
    }
}
