<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal The shapes of SPEC.md §3 to §20. Messages stay plain arrays; this is where they are found to be what they
 *     claim.
 */
final class Message
{
    public const NAMES = [
        Frame::HELLO => 'HELLO', Frame::READY => 'READY', Frame::FAILED => 'FAILED', Frame::PING => 'PING',
        Frame::PONG => 'PONG',
        Frame::LOG => 'LOG', Frame::DRAIN => 'DRAIN', Frame::ENDING => 'ENDING',
        Frame::REQUEST => 'REQUEST', Frame::RESPONSE => 'RESPONSE',
        Frame::INFORM => 'INFORM', Frame::DATA => 'DATA', Frame::WINDOW => 'WINDOW', Frame::RESET => 'RESET',
        Frame::DONE => 'DONE',
        Frame::OPEN => 'OPEN', Frame::MESSAGE => 'MESSAGE', Frame::CLOSE => 'CLOSE', Frame::BUFFER => 'BUFFER',
        Frame::SEND => 'SEND',
        Frame::HANGUP => 'HANGUP', Frame::JOIN => 'JOIN', Frame::LEAVE => 'LEAVE', Frame::BIND => 'BIND',
        Frame::SET => 'SET',
        Frame::ACCEPT => 'ACCEPT', Frame::FETCHED => 'FETCHED',
        Frame::TASK => 'TASK', Frame::PUSH => 'PUSH', Frame::SETTLE => 'SETTLE', Frame::PROGRESS => 'PROGRESS',
        Frame::CALL => 'CALL', Frame::RESULT => 'RESULT', Frame::SWAP => 'SWAP',
        Frame::PURGE => 'PURGE',
    ];

    /** Where SPEC.md tells of a type's elements. Of the acts that is §10.3. */
    private const SECTIONS = [
        Frame::HELLO => '3.2', Frame::READY => '3.3', Frame::FAILED => '3.4', Frame::PING => '8.1',
        Frame::PONG => '8.1',
        Frame::LOG => '8.2', Frame::DRAIN => '8.3', Frame::ENDING => '8.5',
        Frame::REQUEST => '5.1', Frame::RESPONSE => '5.3',
        Frame::INFORM => '5.4',
        Frame::DATA => '5.5', Frame::WINDOW => '6.2', Frame::RESET => '7.1', Frame::DONE => '7.3',
        Frame::OPEN => '9.4',
        Frame::MESSAGE => '9.5', Frame::CLOSE => '9.6', Frame::BUFFER => '9.7', Frame::CALL => '10.4',
        Frame::RESULT => '10.4',
        Frame::SWAP => '10.4', Frame::FETCHED => '15.3',
        Frame::TASK => '18.3', Frame::PUSH => '18.2', Frame::SETTLE => '18.3', Frame::PROGRESS => '18.3',
        Frame::PURGE => '20.2',
    ];

    /** For each type, the elements after the stream: name => kind. */
    private const SHAPES = [
        Frame::HELLO => [
            'versions' => 'uints', 'pool' => 'str', 'generation' => 'long', 'slot' => 'uint', 'max_frame' => 'frame',
            'window' => 'count',
            'host' => 'str', 'dev' => 'bool', 'features' => 'strs', 'limits' => 'limits',
        ],
        Frame::READY => [
            'version' => 'uint', 'pid' => 'uint', 'sdk' => 'str', 'concurrency' => 'count', 'features' => 'strs',
            'window' => 'count', 'queues' => 'strs',
        ],
        Frame::FAILED => ['message' => 'str', 'trace' => 'str'],
        Frame::PING => ['token' => 'long'],
        Frame::PONG => ['token' => 'long'],
        Frame::LOG => ['level' => 'str', 'message' => 'str', 'context' => 'value'],
        Frame::DRAIN => ['deadline' => 'long'],
        Frame::ENDING => ['last' => 'uint'],
        Frame::REQUEST => [
            'flags' => 'uint', 'method' => 'str', 'target' => 'str', 'version' => 'str', 'scheme' => 'str',
            'host' => 'str', 'remote' => 'str',
            'headers' => 'pairs', 'body' => 'body?', 'length' => 'length', 'form' => 'form?', 'tls' => 'tls?',
            'attempt' => 'count', 'id' => 'str', 'local' => 'str', 'deadline' => 'long',
            'tunnel' => 'str',
        ],
        Frame::RESPONSE => ['flags' => 'uint', 'status' => 'uint', 'headers' => 'pairs', 'body' => 'body?',
            'file' => 'str?', 'hold' => 'hold?', 'fetch' => 'fetch?'],
        Frame::INFORM => ['status' => 'uint', 'headers' => 'pairs'],
        Frame::DATA => ['flags' => 'uint', 'bytes' => 'body', 'trailers' => 'pairs?'],
        Frame::WINDOW => ['bytes' => 'count'],
        Frame::RESET => ['code' => 'uint', 'reason' => 'str'],
        Frame::DONE => [],
        Frame::OPEN => ['connection' => 'connection', 'attempt' => 'count', 'request' => 'upgrade?'],
        Frame::MESSAGE => ['flags' => 'uint', 'connection' => 'connection', 'attempt' => 'count', 'bytes' => 'body',
            'more' => 'laters', 'about' => 'pairs'],
        Frame::CLOSE => ['connection' => 'connection', 'attempt' => 'count', 'code' => 'uint', 'reason' => 'str',
            'clean' => 'bool'],
        Frame::BUFFER => ['connection' => 'connection', 'attempt' => 'count', 'full' => 'bool', 'bytes' => 'long'],
        Frame::SEND => ['flags' => 'uint', 'to' => 'to', 'names' => 'strs', 'bytes' => 'body', 'except' => 'strs'],
        Frame::HANGUP => ['flags' => 'uint', 'to' => 'to', 'names' => 'strs', 'code' => 'uint', 'reason' => 'str',
            'except' => 'strs'],
        Frame::JOIN => ['flags' => 'uint', 'connection' => 'str', 'groups' => 'strs', 'since' => 'str?'],
        Frame::LEAVE => ['flags' => 'uint', 'connection' => 'str', 'groups' => 'strs'],
        Frame::BIND => ['flags' => 'uint', 'connection' => 'str', 'uid' => 'str'],
        Frame::SET => ['flags' => 'uint', 'connection' => 'str', 'set' => 'entries', 'unset' => 'strs'],
        Frame::ACCEPT => ['flags' => 'uint', 'subprotocol' => 'str', 'headers' => 'pairs'],
        Frame::FETCHED => ['flags' => 'uint', 'id' => 'str', 'attempt' => 'count', 'url' => 'str', 'status' => 'uint',
            'headers' => 'pairs', 'length' => 'long', 'took' => 'long', 'end' => 'str', 'reason' => 'str',
            'request' => 'str', 'context' => 'value', 'bytes' => 'body'],
        Frame::TASK => ['queue' => 'str', 'id' => 'str', 'attempt' => 'count', 'payload' => 'value',
            'pushed' => 'long', 'key' => 'str', 'priority' => 'uint', 'most' => 'uint'],
        Frame::PUSH => ['flags' => 'uint', 'queue' => 'str', 'payload' => 'value', 'id' => 'str', 'delay' => 'long',
            'key' => 'str', 'priority' => 'uint'],
        Frame::SETTLE => ['flags' => 'uint', 'how' => 'how', 'value' => 'value', 'delay' => 'long', 'reason' => 'str',
            'trace' => 'str'],
        Frame::PROGRESS => ['flags' => 'uint', 'value' => 'value'],
        Frame::CALL => ['method' => 'str', 'arguments' => 'values', 'timeout' => 'long'],
        Frame::RESULT => ['error' => 'str', 'value' => 'value', 'code' => 'uint', 'more' => 'bool'],
        Frame::SWAP => ['connection' => 'str', 'version' => 'long', 'set' => 'entries', 'unset' => 'strs'],
        Frame::PURGE => ['flags' => 'uint', 'tags' => 'strs', 'urls' => 'strs', 'all' => 'bool'],
    ];

    /** What a sender may leave out, by position. All before the first of them has to be there. */
    private const DEFAULTS = [
        Frame::HELLO => [6 => Frame::MAX, Frame::WINDOW_SIZE, '', false, [], []],
        Frame::READY => [5 => 1, [], Frame::WINDOW_SIZE, []],
        Frame::FAILED => [3 => ''],
        Frame::LOG => [4 => null],
        Frame::DRAIN => [2 => 0],
        Frame::ENDING => [2 => 0],
        Frame::REQUEST => [10 => null, -1, null, null, 1, '', '', 0, ''],
        Frame::RESPONSE => [5 => null, null, null, null],
        Frame::DATA => [4 => null],
        Frame::RESET => [3 => ''],
        Frame::OPEN => [3 => 1, null],
        Frame::MESSAGE => [4 => 1, '', [], []],
        Frame::CLOSE => [5 => '', false],
        Frame::SEND => [6 => []],
        Frame::HANGUP => [5 => 1000, '', []],
        Frame::JOIN => [5 => null],
        Frame::SET => [5 => []],
        Frame::ACCEPT => [3 => '', []],
        Frame::FETCHED => [11 => '', '', null, ''],
        Frame::TASK => [7 => '', 0, 0],
        Frame::PUSH => [5 => '', 0, '', 0],
        Frame::SETTLE => [4 => null, 0, '', ''],
        Frame::CALL => [3 => [], 0],
        Frame::RESULT => [3 => null, 0, false],
        Frame::SWAP => [5 => []],
        Frame::PURGE => [3 => [], [], false],
    ];

    private const MAX_DEPTH = 16;

    /**
     * @param array<mixed> $message as decoded
     *
     * @return list<mixed> the message with its defaults filled in; one of an unknown type as it came
     *
     * @throws UnknownMessage if it has a critical flag
     * @throws LinkError
     */
    public static function check(array $message): array
    {
        $type = $message[0] ?? null;
        if (!\array_is_list($message) || !\is_int($type) || $type < 0 || $type > 127
            || !\is_int($stream = $message[1] ?? null) || $stream < 0 || $stream > Frame::MAX_WINDOW) {
            throw new LinkError('an array [type, stream, …]', 'an array of ' . \count($message) . ' other elements');
        }
        $given = \count($message);
        // By far the most common: a request with nothing unusual about it, in one go.
        if ($type === Frame::REQUEST && $stream > 0 && $given >= 10 && $given <= 18
            && (($body = $message[10] ?? null) === null || \is_string($body) && \strlen($body) <= Frame::MAX_DATA)
            && ($message[12] ?? null) === null
            && ($message[2] === 0 || $message[2] === 1) && \is_string($message[3]) && \is_string($message[4])
            && \is_string($message[5])
            && \is_string($message[6]) && \is_string($message[7]) && \is_string($message[8]) && \is_array($message[9])
            && ($given < 12 || \is_int($message[11]) && $message[11] >= -1) && ($message[13] ?? null) === null
            && ($given < 15 || \is_int($message[14]) && $message[14] >= 1 && $message[14] <= Frame::MAX_WINDOW)
            && ($given < 16 || \is_string($message[15])) && ($given < 17 || \is_string($message[16]))
            && ($given < 18 || \is_int($message[17]) && $message[17] >= 0) && self::pairs($message[9])) {
            return $given === 18 ? $message : $message + self::DEFAULTS[Frame::REQUEST];
        }
        // A message of a connection, likewise.
        if ($type === Frame::MESSAGE && $stream > 0 && $given === 6 && \is_int($message[2]) && $message[2] >= 0
            && $message[2] <= 7
            && \is_string($message[5]) && \strlen($message[5]) <= Frame::MAX_DATA && \is_int($message[4])
            && $message[4] >= 1 && $message[4] <= Frame::MAX_WINDOW && self::connection($message[3])) {
            return $message + self::DEFAULTS[Frame::MESSAGE];
        }
        $shape = self::SHAPES[$type] ?? null;
        if ($shape === null) {
            self::extras($type, $message, 2);

            return $message;
        }
        if (isset($shape['flags']) && ($flags = self::flags($message)) > Frame::FLAGS_IGNORED) {
            throw new UnknownMessage(self::name($type) . " with the flags $flags", $stream);
        }
        $anywhere = $type === Frame::LOG || $type >= Frame::SEND && $type <= Frame::ACCEPT
            || $type >= Frame::PUSH && $type <= Frame::PROGRESS || $type === Frame::PURGE;
        if (!$anywhere && ($stream === 0) !== ($type < Frame::REQUEST)) {
            throw new LinkError(self::name($type) . ($stream === 0 ? ' on a stream above 0' : ' on stream 0'),
                "it on stream $stream", '2.2');
        }
        $defaults = self::DEFAULTS[$type] ?? [];
        $position = 2;
        foreach ($shape as $name => $kind) {
            if ($position >= $given) {
                if (!\array_key_exists($position, $defaults)) {
                    self::refuse($type, $name, 'the end of the message');
                }
                break;
            }
            if (!self::is($kind, $message[$position])) {
                self::refuse($type, $name, self::shown($message[$position]));
            }
            ++$position;
        }
        self::extras($type, $message, \count($shape) + 2);
        if ($type === Frame::DATA && isset($message[4]) && ($message[2] & Frame::FLAG_END) === 0) {
            self::refuse($type, 'trailers', 'some without END'); // they would be lost
        }
        if ($type === Frame::RESULT && ($message[5] ?? false)
            && ($message[2] !== '' || !Pieces::joinable($message[3]))) {
            self::refuse($type, 'more', 'it with an error, or of what is no list and no bytes');
        }

        return $message + $defaults;
    }

    /**
     * All flags of a message that has some, those of a MESSAGE's `more` included; 0 if they are none.
     *
     * @param list<mixed> $message
     */
    private static function flags(array $message): int
    {
        $all = [$message[2] ?? 0];
        if ($message[0] === Frame::MESSAGE && \is_array($message[6] ?? null)) {
            foreach ($message[6] as $later) {
                $all[] = \is_array($later) ? $later[0] ?? 0 : 0;
            }
        }
        $flags = 0;
        foreach ($all as $some) {
            $flags |= self::is('uint', $some) ? $some : 0;
        }

        return $flags;
    }

    /** The type's name in SPEC.md, or "type N". */
    public static function name(int $type): string
    {
        return self::NAMES[$type] ?? "type $type";
    }

    private static function is(string $kind, mixed $value): bool
    {
        return match ($kind) {
            'str' => \is_string($value),
            'str?' => $value === null || \is_string($value),
            'long' => \is_int($value) && $value >= 0,
            'uint' => \is_int($value) && $value >= 0 && $value <= Frame::MAX_WINDOW,
            'count' => \is_int($value) && $value >= 1 && $value <= Frame::MAX_WINDOW,
            'frame' => \is_int($value) && $value >= Frame::LEAST_MAX && $value <= Frame::MAX_WINDOW,
            'length' => \is_int($value) && $value >= -1,
            'bool' => \is_bool($value),
            'body' => \is_string($value) && \strlen($value) <= Frame::MAX_DATA,
            'body?' => $value === null || \is_string($value) && \strlen($value) <= Frame::MAX_DATA,
            'pairs' => \is_array($value) && self::pairs($value),
            'pairs?' => $value === null || \is_array($value) && self::pairs($value),
            'strs' => \is_array($value) && \array_is_list($value) && self::all('str', $value),
            'uints' => \is_array($value) && \array_is_list($value) && self::all('uint', $value),
            'limits' => \is_array($value) && self::limits($value),
            'tls?' => $value === null || self::tuple($value, ['str', 'str', 'str', 'str'])
                && (!isset($value[4]) || self::tuple($value[4], ['str', 'str', 'str', 'str'])),
            'form?' => $value === null || self::tuple($value, ['pairs', 'files']),
            'files' => \is_array($value) && \array_is_list($value) && self::all('file', $value),
            'file' => self::tuple($value, ['str', 'str', 'str', 'long', 'str', 'uint']),
            'value' => self::shallow($value, 0),
            'values' => \is_array($value) && \array_is_list($value) && self::all('value', $value),
            'entries' => \is_array($value) && self::entries($value),
            'connection' => self::connection($value),
            'upgrade?' => $value === null
                || self::tuple($value, ['str', 'str', 'str', 'str', 'str', 'str', 'pairs', 'tls?', 'str']),
            'laters' => \is_array($value) && \array_is_list($value) && self::all('later', $value),
            'later' => self::tuple($value, ['uint', 'body']) && self::optional(\array_slice($value, 2), ['pairs']),
            'to' => \is_int($value) && $value >= Frame::TO_SELF && $value <= Frame::TO_ALL,
            'how' => \is_int($value) && $value >= Frame::TASK_DONE && $value <= Frame::TASK_GIVEN_UP,
            'fetch?' => $value === null || $value !== []
                && self::optional($value, ['str', 'str', 'pairs', 'strs', 'value', 'long', 'long']),
            'hold?' => $value === null || self::optional($value, ['strs', 'str', 'entries', 'bool', 'long']),
        };
    }

    /** @param array<mixed> $pairs */
    private static function pairs(array $pairs): bool
    {
        if ((\count($pairs) & 1) !== 0 || !\array_is_list($pairs)) {
            return false;
        }
        foreach ($pairs as $text) {
            if (!\is_string($text)) {
                return false;
            }
        }

        return true;
    }

    /** Names and numbers by turns (§3.6). @param array<mixed> $limits */
    private static function limits(array $limits): bool
    {
        if ((\count($limits) & 1) !== 0 || !\array_is_list($limits)) {
            return false;
        }
        foreach ($limits as $at => $value) {
            if (!self::is(($at & 1) === 0 ? 'str' : 'long', $value)) {
                return false;
            }
        }

        return true;
    }

    /** @param list<mixed> $values */
    private static function all(string $kind, array $values): bool
    {
        foreach ($values as $value) {
            if (!self::is($kind, $value)) {
                return false;
            }
        }

        return true;
    }

    /** @param list<string> $kinds of the first elements; more may follow (§2.3) */
    private static function tuple(mixed $value, array $kinds): bool
    {
        if (!\is_array($value) || !\array_is_list($value) || \count($value) < \count($kinds)) {
            return false;
        }
        foreach ($kinds as $at => $kind) {
            if (!self::is($kind, $value[$at])) {
                return false;
            }
        }

        return true;
    }

    /** SPEC.md §9.3. */
    private static function connection(mixed $value): bool
    {
        if (!\is_array($value) || ($count = \count($value)) < 3 || !\array_is_list($value)) {
            return false;
        }
        // Written out, because every event has one.
        return \is_string($value[0]) && \is_string($value[1]) && \is_string($value[2])
            && ($count < 4 || \is_string($value[3]))
            && ($count < 5 || $value[4] === [] || self::is('strs', $value[4]))
            && ($count < 6 || $value[5] === [] || self::is('entries', $value[5]))
            && ($count < 7 || \is_string($value[6]))
            && ($count < 8 || self::is('pairs', $value[7]))
            && ($count < 9 || $value[8] === null || $value[8] !== []
                && self::optional($value[8], ['str', 'long', 'str']))
            && ($count < 10 || self::all('value', \array_slice($value, 9)));
    }

    /** @param list<string> $kinds of the elements, any of which may be the last; more may follow (§2.3) */
    private static function optional(mixed $value, array $kinds): bool
    {
        if (!\is_array($value) || !\array_is_list($value)) {
            return false;
        }
        foreach ($value as $at => $element) {
            if (!self::is($kinds[$at] ?? 'value', $element)) {
                return false;
            }
        }

        return true;
    }

    /** Keys and values by turns (§2.4), which a RESULT may put into two more lists. @param array<mixed> $entries */
    private static function entries(array $entries): bool
    {
        $count = \count($entries);
        if (($count & 1) !== 0 || !\array_is_list($entries)) {
            return false;
        }
        for ($i = 0; $i < $count; $i += 2) {
            if (!\is_string($entries[$i]) || !self::shallow($entries[$i + 1], 2)) {
                return false;
            }
        }

        return true;
    }

    private static function shallow(mixed $value, int $depth): bool
    {
        if (\is_array($value) || $value instanceof \stdClass) {
            if ($depth >= self::MAX_DEPTH) {
                return false;
            }
            foreach ($value as $element) {
                if (!self::shallow($element, $depth + 1)) {
                    return false;
                }
            }
        }

        return true;
    }

    /** @param list<mixed> $message */
    private static function extras(int $type, array $message, int $from): void
    {
        for ($given = \count($message); $from < $given; ++$from) {
            if (!self::shallow($message[$from], 0)) {
                self::refuse($type, "element $from", 'nesting deeper than ' . self::MAX_DEPTH);
            }
        }
    }

    private static function refuse(int $type, string $element, string $got): never
    {
        throw new LinkError(self::name($type) . "'s $element as SPEC.md has it", $got,
            self::SECTIONS[$type] ?? '10.3');
    }

    /** A wrong value, for a person to read. */
    private static function shown(mixed $value): string
    {
        return match (true) {
            \is_int($value) => (string) $value,
            \is_string($value) => 'the text ' . LinkError::show($value),
            default => \get_debug_type($value),
        };
    }
}
