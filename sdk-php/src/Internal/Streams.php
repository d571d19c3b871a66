<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal The numbers of streams: a host's are odd, a worker's even, and both only ever grow (SPEC.md §4.1). */
final class Streams
{
    /** The last one that this end has opened, and the last that the host has. */
    private int $called = 0;
    private int $opened = 0;

    /** The number of this end's next stream. */
    public function next(): int
    {
        return $this->called += 2;
    }

    /** Takes a message that opens one. @param list<mixed> $message @throws LinkError */
    public function open(array $message): void
    {
        if ($message[1] <= $this->opened || ($message[1] & 1) === 0) {
            throw new LinkError(
                Message::name($message[0]) . " on an odd stream above {$this->opened}",
                "stream {$message[1]}",
                '4.1',
            );
        }
        $this->opened = $message[1];
    }

    /** Takes a RESULT. @param list<mixed> $result @throws LinkError if nothing was asked on its stream */
    public function answer(array $result): void
    {
        if ($result[1] > $this->called || ($result[1] & 1) !== 0) {
            throw new LinkError('RESULT of a CALL or SWAP', "one on stream {$result[1]}");
        }
    }

    /** With which code a message that is not known is refused (§11.2): it may have opened its stream. */
    public function refuse(int $stream): int
    {
        if (($stream & 1) === 0) {
            return Frame::CODE_UNKNOWN;
        }
        $new = $stream > $this->opened;
        $this->opened = \max($this->opened, $stream);

        return $new ? Frame::CODE_UNKNOWN : Frame::CODE_INTERNAL;
    }
}
