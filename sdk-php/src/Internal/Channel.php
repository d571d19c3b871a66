<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\CallFailed;

/**
 * @internal What a request or an event says to the host, and hears from it: the link itself where one is handled at a
 *     time, and a strand where there are several.
 */
interface Channel
{
    /**
     * A message that has come since, perhaps for another stream; null if none has, or none will.
     *
     * @param bool $wait whether to wait for one: null then is the end
     *
     * @return list<mixed>|null
     *
     * @throws LinkError
     */
    public function hear(bool $wait): ?array;

    /**
     * @param list<mixed> $message
     * @param string      $before frames that go out in front of it, in the same write
     */
    public function send(array $message, string $before = ''): void;

    /** Writes frames as they are, and no later than anything after them if they are $now's. */
    public function raw(string $bytes, bool $now = false): void;

    /**
     * @param list<mixed> $message
     *
     * @throws \LengthException if it is longer than the host takes
     */
    public function frame(array $message): string;

    /**
     * Asks the host and waits for its answer.
     *
     * @param int         $type     CALL or SWAP
     * @param list<mixed> $elements
     *
     * @throws CallFailed if the host says no, or is gone
     * @throws LinkError
     */
    public function call(int $type, array $elements): mixed;

    /** The most bytes of acts for a stream (§3.6). */
    public function maxActs(): int;

    /** Whether the host is gone: it reads no more, or its end came without a DRAIN before it (§8.3). */
    public function isLost(): bool;

    /** Ends the link, and gives back what is to be thrown. */
    public function fail(LinkError $error): LinkError;
}
