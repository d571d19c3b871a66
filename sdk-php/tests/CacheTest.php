<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Frame;
use WorkerHost\Tests\Support\FakeHost;

/** What the host's cache is to forget (SPEC.md §20). */
final class CacheTest extends TestCase
{
    /** @param list<string> $features of the host */
    private static function serving(string $body, string $mode = '', array $features = ['cache']): FakeHost
    {
        $host = new FakeHost('$worker = Worker::create()' . $mode . '; $worker->onRequest(function (Request $r) use '
            . '($worker) { $cache = $worker->cache(); try { ' . $body . ' } catch (\ValueError $e) { return '
            . '$e->getMessage(); } return "done"; })->run();');
        $host->hello(features: $features);
        self::assertSame(Frame::READY, $host->next()[0], $host->log());

        return $host;
    }

    /** @return list<list<mixed>> the acts of a request, and its response's body as the last one */
    private static function acts(FakeHost $host): array
    {
        $said = $host->done($host->request());
        $last = \array_pop($said);

        return [...$said, $last[5]];
    }

    /** @testWith [""]
     *            ["->concurrency(5)"]
     */
    public function testEachPurgeIsAnActThatGoesWithTheOthers(string $mode): void
    {
        $host = self::serving('$worker->connections()->sendToAll("x"); $cache->purge(tags: ["post-7", 8]); '
            . '$cache->purge(urls: ["k" => "/blog/*"]); \WorkerHost\Cache::here()->purge(["a"], ["https://a/"], true); '
            . '$cache->purge();', $mode);
        self::assertSame([
            [Frame::SEND, 1, 0, 4, [], 'x', []],
            [Frame::PURGE, 1, 0, ['post-7', '8'], [], false],
            [Frame::PURGE, 1, 0, [], ['/blog/*'], false],
            [Frame::PURGE, 1, 0, ['a'], ['https://a/'], true],
            'done',
        ], self::acts($host));
    }

    public function testAHandlerThatThrowsHasPurgedNothingButWhatWasToBeAtOnce(): void
    {
        $host = self::serving('$cache->purge(all: true); $cache->purge(tags: ["a"], now: true); '
            . 'throw new \Exception("boom");');
        $said = $host->done($host->request());
        self::assertSame([Frame::PURGE, 1, Frame::FLAG_NOW, ['a'], [], false], $said[0]);
        self::assertSame([Frame::RESPONSE, 500], [$said[1][0], $said[1][3]]);
        self::assertCount(2, $said);
    }

    public function testManyTagsGoInSeveralActs(): void
    {
        $said = self::acts(self::serving('$cache->purge(range(1, 1001), ["/"]);'));
        self::assertSame([1000, 1, 0], \array_map(fn (array $act) => \count($act[3]), \array_slice($said, 0, 3)));
        self::assertSame([[], [], ['/']], \array_map(fn (array $act) => $act[4], \array_slice($said, 0, 3)));
        self::assertSame('done', $said[3]);
    }

    public function testAHostWithoutACacheIsToldOfNoPurges(): void
    {
        self::assertSame(['done'], self::acts(self::serving('$cache->purge(all: true);', features: [])));
    }

    public function testWhatIsNoTagAndNoURLIsRefusedByName(): void
    {
        foreach ([
            'tags: ["a", ""]' => 'a tag has 1 to 8192 bytes, and this one 0',
            'tags: [str_repeat("x", 8193)]' => 'a tag has 1 to 8192 bytes, and this one 8193',
            'urls: ["example.org/"]' => 'example.org/ is no URL: write https://example.org/path, or /path for all '
                . 'names; with * at its end all that begin so',
            'urls: ["/" . str_repeat("x", 8192)]' => 'a URL has at most 8192 bytes, and this one 8193',
        ] as $arguments => $message) {
            self::assertSame(["purge(): $message"], self::acts(self::serving("\$cache->purge($arguments);")));
        }
    }
}
