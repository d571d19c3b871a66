<?php

declare(strict_types=1);

namespace WorkerHost\Tests\Support;

use WorkerHost\Internal\Message;

/** A file of protocol/vectors/transcripts. */
final class Transcript
{
    private const ANYTHING = '…';

    /** 'host', 'worker', or '' for both */
    public string $for = '';
    /**
     * The number of each, what it begins with, the rest, and its frame if it shows one.
     *
     * @var list<array{int, string, string, list<mixed>|null}>
     */
    public array $lines = [];

    private function __construct(public readonly string $name, string $text)
    {
        foreach (explode("\n", $text) as $i => $line) {
            $line = trim($line);
            if ($line === '' || $line[0] === '#') {
                continue;
            }
            if (preg_match('/^for (host|worker)$/', $line, $match) === 1) {
                $this->for = $match[1];
                continue;
            }
            $rest = trim(substr($line, 1));
            $this->lines[] = [$i + 1, $line[0], $rest, self::frame($rest)];
        }
    }

    /** @return iterable<self> */
    public static function all(): iterable
    {
        foreach (glob(__DIR__ . '/../../../protocol/vectors/transcripts/*.txt') as $file) {
            yield new self(basename($file, '.txt'), (string) file_get_contents($file));
        }
    }

    /** @return list<mixed>|null */
    private static function frame(string $line): ?array
    {
        [$name, $elements] = explode(' ', $line, 2) + [1 => ''];
        $type = ctype_digit($name) ? (int) $name : array_search($name, Message::NAMES, true);
        if ($type === false || $elements === '' || $elements[0] !== '[') {
            return null;
        }

        return [$type, ...Vectors::value(json_decode($elements, false, 512, \JSON_THROW_ON_ERROR))];
    }

    /** Whether a message is what a line shows; it may have more elements. @param list<mixed> $got */
    public static function fits(array $want, array $got): bool
    {
        return self::same($want, array_slice($got, 0, count($want)));
    }

    private static function same(mixed $want, mixed $got): bool
    {
        if ($want === self::ANYTHING) {
            return true;
        }
        if (is_string($want) && str_ends_with($want, self::ANYTHING)) {
            return is_string($got) && str_starts_with($got, substr($want, 0, -strlen(self::ANYTHING)));
        }
        if (!is_array($want) || !array_is_list($want) || !is_array($got)) {
            return $want === $got;
        }
        if (end($want) === self::ANYTHING) {
            array_pop($want);
            $got = array_slice($got, 0, count($want));
        }
        if (count($want) !== count($got)) {
            return false;
        }
        foreach ($want as $i => $element) {
            if (!array_key_exists($i, $got) || !self::same($element, $got[$i])) {
                return false;
            }
        }

        return true;
    }
}
