<?php

// The raw frame, SPEC.md §2: a big-endian 32-bit length, then one MessagePack array [type, stream, …].
// Its twin is protocol/frame.go; change both, SPEC.md and a vector in one commit.

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal The numbers of SPEC.md §1, §2, §4, §9, §10, §12 and §20. */
final class Frame
{
    /** The first bytes that a worker writes (§1.2). */
    public const MAGIC = "\x89WHW\r\n\x1a\n";
    public const VERSION = 1;
    /** The longest payload, unless HELLO says otherwise (§2.1). */
    public const MAX = 16777216;
    /** The least that HELLO may make of it (§3.2). */
    public const LEAST_MAX = 131072;
    /** The most body bytes in one frame (§2.5). */
    public const MAX_DATA = 65536;
    public const WINDOW_SIZE = 262144;
    public const MAX_WINDOW = 2147483647;
    /** How many requests can be handed ahead (§4.5), unless HELLO says otherwise. */
    public const MAX_AHEAD = 8;
    /** How many calls may be unanswered (§10.5), unless HELLO says otherwise. */
    public const MAX_CALLS = 64;

    public const HELLO = 1;
    public const READY = 2;
    public const FAILED = 3;
    public const PING = 4;
    public const PONG = 5;
    public const LOG = 6;
    public const DRAIN = 7;
    public const ENDING = 8;
    public const REQUEST = 16;
    public const RESPONSE = 17;
    public const INFORM = 18;
    public const DATA = 19;
    public const WINDOW = 20;
    public const RESET = 21;
    public const DONE = 22;

    public const OPEN = 32;
    public const MESSAGE = 33;
    public const CLOSE = 34;
    public const BUFFER = 35;

    public const SEND = 36;
    public const HANGUP = 37;
    public const JOIN = 38;
    public const LEAVE = 39;
    public const BIND = 40;
    public const SET = 41;
    public const ACCEPT = 42;

    public const FETCHED = 43;

    public const TASK = 44;
    public const PUSH = 45;
    public const SETTLE = 46;
    public const PROGRESS = 47;

    public const CALL = 48;
    public const RESULT = 49;
    public const SWAP = 50;

    public const PURGE = 51;

    /** Flags (§4.4), of MESSAGE (§9.5) and of acts (§10.2). */
    public const FLAG_END = 1;
    public const FLAG_DONE = 2;
    public const FLAG_BINARY = 4;
    public const FLAG_NOW = 8;
    public const FLAG_MORE = 16;
    /** Flags up to this may be ignored; one above it makes the message an unknown one for whoever does not know it. */
    public const FLAGS_IGNORED = 255;

    /** Whom an act is for (§10.2). */
    public const TO_SELF = 0;
    public const TO_CONNECTIONS = 1;
    public const TO_USERS = 2;
    public const TO_GROUPS = 3;
    public const TO_ALL = 4;

    /** What becomes of a task (§18.3). */
    public const TASK_DONE = 0;
    public const TASK_RELEASED = 1;
    public const TASK_FAILED = 2;
    public const TASK_GIVEN_UP = 3;

    /** The most bytes of acts that a host keeps for a stream (§10.1), unless HELLO says otherwise. */
    public const MAX_STAGED = 67108864;

    /** Codes of RESET (§7.1). */
    public const CODE_CANCELLED = 1;
    public const CODE_RECALLED = 4;
    public const CODE_REFUSED = 100;
    public const CODE_INTERNAL = 200;
    public const CODE_UNKNOWN = 201;

    /** Why the host gives a stream up, in words. @param list<mixed> $reset */
    public static function given(array $reset): string
    {
        return match ($reset[2]) {
            self::CODE_CANCELLED => 'the client has left',
            2 => "the request's time is up",
            3 => 'the drain deadline has passed',
            self::CODE_INTERNAL => 'the request has failed',
            default => "the host gave the request up (code {$reset[2]})",
        } . ($reset[3] !== '' ? ": {$reset[3]}" : '');
    }

    /** Whether a message of that type opens a stream: a REQUEST, an event, the end of a fetch, or a task. */
    public static function opens(int $type): bool
    {
        return $type === self::REQUEST || $type >= self::OPEN && $type <= self::BUFFER || $type === self::FETCHED
            || $type === self::TASK;
    }

    /**
     * The payload's length of the frame that begins at $at, or null while its four bytes are not all there.
     *
     * @throws LinkError if the length is 0 or above $max
     */
    public static function length(string $buffer, int $at, int $max): ?int
    {
        if (\strlen($buffer) - $at < 4) {
            return null;
        }
        $length = \unpack('N', $buffer, $at)[1];
        if ($length === 0 || $length > $max) {
            throw new LinkError(
                "a frame of 1 to $max bytes",
                "a length of $length, which as text is " . LinkError::show(\substr($buffer, $at, 64)),
                '2.1',
            );
        }

        return $length;
    }
}
