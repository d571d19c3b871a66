<?php

declare(strict_types=1);

namespace WorkerHost;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Frame;

/**
 * What Worker::cache() gives: what the host has stored of the realm's answers (`cache` of a route; SPEC.md §20).
 *
 *     $worker->cache()->purge(tags: ['post-7', 'front']);
 *
 * What a handler purges takes effect when it returns, all together with what it sends and before the client has the
 * answer, and not at all if it throws. With now: true, and outside of a handler, in a timer or onStop(), it takes
 * effect as soon as the host reads it. What is under way meanwhile, and would be dropped, is not stored.
 */
final class Cache
{
    /** What is purged by one act, and how long each name may be (SPEC.md §20.2). */
    private const MOST = 1000;
    private const LONGEST = 8192;

    /** Whether the host knows of purges; it is the process's, as there is one worker in it. */
    private static bool $known = false;

    /** @internal */
    public function __construct(private readonly ?Acts $acts)
    {
    }

    /**
     * What Worker::cache() gives where no Worker is at hand, as in a framework's services. It may be made before the
     * worker is ready, and used from then on.
     */
    public static function here(): self
    {
        return new self(null);
    }

    /** @internal @param list<mixed> $hello */
    public static function greet(array $hello): void
    {
        self::$known = \in_array('cache', $hello[10], true);
    }

    /**
     * Drops what is stored: whatever has one of the tags, or one of the URLs. A host that stores nothing has nothing
     * to drop, which is no mistake.
     *
     * @param array<array-key, string|int> $tags of answers' `Cache-Tag`, `Surrogate-Key` or `xkey`
     * @param array<array-key, string> $urls whole ones, `https://example.org/a?b`, or paths under any name, `/a?b`;
     *     with `*` at its end all that begin so
     * @param bool $all whether it is all that there is
     * @param bool $now whether it takes effect whatever becomes of the handler
     *
     * @throws \ValueError for a tag or a URL that is none, or has more than 8192 bytes
     * @throws \LengthException if too much waits for the handler to return
     */
    public function purge(array $tags = [], array $urls = [], bool $all = false, bool $now = false): void
    {
        $tags = \array_map(self::tag(...), \array_values($tags));
        $urls = \array_map(self::url(...), \array_values($urls));
        if (!self::$known || $tags === [] && $urls === [] && !$all) {
            return;
        }
        $acts = ($this->acts ?? Acts::here())->current();
        if (\count($tags) + \count($urls) <= self::MOST) {
            $acts->act([Frame::PURGE, 0, 0, $tags, $urls, $all], $now);

            return;
        }
        foreach (\array_chunk($tags, self::MOST) as $some) {
            $acts->act([Frame::PURGE, 0, 0, $some, [], $all], $now);
        }
        foreach (\array_chunk($urls, self::MOST) as $some) {
            $acts->act([Frame::PURGE, 0, 0, [], $some, $all], $now);
        }
    }

    private static function tag(string|int $tag): string
    {
        if ($tag === '' || \strlen((string) $tag) > self::LONGEST) {
            throw new \ValueError('purge(): a tag has 1 to ' . self::LONGEST . ' bytes, and this one '
                . \strlen((string) $tag));
        }

        return (string) $tag;
    }

    private static function url(string $url): string
    {
        if (\strlen($url) > self::LONGEST) {
            throw new \ValueError('purge(): a URL has at most ' . self::LONGEST . ' bytes, and this one '
                . \strlen($url));
        }
        if (!\preg_match('~^(/|https?://)~', $url)) {
            throw new \ValueError("purge(): $url is no URL: write https://example.org/path, or /path for all names; "
                . 'with * at its end all that begin so');
        }

        return $url;
    }
}
