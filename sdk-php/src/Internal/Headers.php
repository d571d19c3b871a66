<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal Header fields in their two forms: the wire's flat list of names and values, and lists of values by name.
 */
final class Headers
{
    /** The characters of a token (RFC 9110 §5.6.2). */
    private const TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    /** So many names are remembered: far more than an application has that does not make them up. */
    private const MOST_NAMES = 256;

    /** @var array<array-key, true> names that were found to be tokens, since looking at one again costs much more */
    private static array $names = [];

    /**
     * @param array<array-key, string|int|float|list<string|int|float>> $headers
     *
     * @return list<string>
     *
     * @throws \ValueError if HTTP does not allow a name or a value
     */
    public static function pairs(array $headers): array
    {
        $pairs = [];
        foreach ($headers as $name => $value) {
            $name = (string) $name;
            if (\is_string($value)) {
                self::check($name, $value);
                $pairs[] = $name;
                $pairs[] = $value;
                continue;
            }
            foreach (\is_array($value) ? $value : [$value] as $one) {
                $one = (string) $one;
                self::check($name, $one);
                $pairs[] = $name;
                $pairs[] = $one;
            }
        }

        return $pairs;
    }

    /**
     * @param list<string> $pairs
     * @param string       $host  put first, unless it is empty
     *
     * @return array<array-key, non-empty-list<string>> by lower-case name
     */
    public static function lists(array $pairs, string $host = ''): array
    {
        $lists = $host === '' ? [] : ['host' => [$host]];
        for ($i = 0, $count = \count($pairs); $i < $count; $i += 2) {
            $lists[\strtolower($pairs[$i])][] = $pairs[$i + 1];
        }

        return $lists;
    }

    /**
     * As PHP's own servers do, says that a body of text is HTML in UTF-8, unless the code has said what it is. Of
     * bytes that are no UTF-8 nothing is said.
     *
     * @param list<string> $pairs
     * @param string       $bytes the body's beginning
     *
     * @return list<string>
     */
    public static function typed(array $pairs, string $bytes): array
    {
        for ($i = 0, $count = \count($pairs); $i < $count; $i += 2) {
            $name = $pairs[$i];
            if ($name === 'Content-Type' || \strlen($name) === 12 && \strcasecmp($name, 'Content-Type') === 0) {
                return $pairs;
            }
        }
        // The last character may go on in what follows.
        for ($cut = 0, $size = \strlen($bytes); $cut < 4 && $cut < $size; ++$cut) {
            if (\preg_match('//u', $cut === 0 ? $bytes : \substr($bytes, 0, -$cut)) === 1) {
                return ['Content-Type', 'text/html; charset=utf-8', ...$pairs];
            }
        }

        return $pairs;
    }

    /** @throws \ValueError */
    public static function check(string $name, string $value): void
    {
        if (!isset(self::$names[$name])) {
            if ($name === '' || \strspn($name, self::TOKEN) !== \strlen($name)) {
                throw new \ValueError('No header can be named ' . LinkError::show($name)
                    . ': a name is letters, digits and -');
            }
            if (\count(self::$names) < self::MOST_NAMES && \strlen($name) <= 64) {
                self::$names[$name] = true;
            }
        }
        if (\strpbrk($value, "\r\n\0") !== false) {
            throw new \ValueError("The value of header $name holds a line break or a NUL, which would let it write "
                . "headers of its own: " . LinkError::show($value));
        }
    }
}
