<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

/**
 * @internal Where the code that was loaded writes something. PHP does not tell who has, so these are the lines that
 * read so, of the class itself first, then of the application, of libraries last.
 */
final class Places
{
    private const MOST_PLACES = 3;
    private const MOST_FILES = 3000;
    /** What follows a name where it is written: an assignment, or a call that adds. */
    private const WRITES = '\s*(?:\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]\s*|->\w+\s*)*+'
        . '(?:=(?![=>])|[.+*/%-]=|\?\?=|\+\+|--)';
    private const ADDS = '\s*(?:\[[^\]\n]*\]\s*)*->\s*'
        . '(?:add|append|attach|push|set|put|insert|enqueue|offsetSet)\w*\s*\(';
    /** What stands in front of a name that is written. */
    private const BEFORE = '(?:array_push|array_unshift|array_splice|\+\+|--)\s*\(?\s*(?:\$\w+(?:->\w+)*)?';

    /** @var list<string>|null */
    private ?array $files = null;

    /** @return list<string> FILE:LINE, at most three */
    public function of(Value $value): array
    {
        $name = $value->property;
        if ($name === '') {
            return [];
        }
        if (($at = \strrpos($name, '$')) !== false) { // a variable
            $variable = \preg_quote(\substr($name, $at), '~');
            $global = \preg_quote(\substr($name, $at + 1), '~');
            $function = \substr($name, 0, \max(0, $at - 3));
            if ($function === '') {
                return $this->where("\\\$GLOBALS\\s*\\[\\s*['\"]{$global}['\"]\\s*\\]" . self::WRITES
                    . "|\\bglobal\\b[^;\n]*{$variable}\\b");
            }

            return self::inFunction($value->class, $function, self::written($variable));
        }
        if (!\class_exists($value->class, false)) {
            return [];
        }
        $class = new \ReflectionClass($value->class);
        $static = \str_starts_with($value->path, "$value->class::\$$name");
        $quoted = \preg_quote($name, '~');
        $short = \preg_quote($class->getShortName(), '~');
        $own = $static ? "(?:self|static|parent|$short)::\\\$$quoted" : "->\\s*$quoted";
        $places = [];
        foreach ([$class, ...$class->getTraits()] as $declares) {
            $places = [...$places, ...self::search((string) $declares->getFileName(), self::written($own))];
        }

        return $places !== [] ? \array_slice($places, 0, self::MOST_PLACES)
            : $this->where(self::written($static ? "\\b$short::\\\$$quoted" : $own));
    }

    private static function written(string $name): string
    {
        return $name . '\b(?:' . self::WRITES . '|' . self::ADDS . ')|' . self::BEFORE . $name . '\b';
    }

    /**
     * Where a pattern stands in what was loaded.
     *
     * @param string $first a file that is enough if it stands there
     *
     * @return list<string> FILE:LINE, at most three
     */
    public function where(string $pattern, string $first = ''): array
    {
        $places = $first === '' ? [] : self::search($first, $pattern);
        if ($places !== []) {
            return \array_slice($places, 0, self::MOST_PLACES);
        }
        foreach ($this->files ??= self::files() as $file) {
            $places = [...$places, ...self::search($file, $pattern)];
            if (\count($places) >= self::MOST_PLACES) {
                break;
            }
        }

        return \array_slice($places, 0, self::MOST_PLACES);
    }

    /** @return list<string> what was loaded, the application's before libraries, without the SDK */
    private static function files(): array
    {
        $own = $libraries = [];
        foreach (\array_slice(\get_included_files(), 0, self::MOST_FILES) as $file) {
            if (\str_starts_with($file, \dirname(__DIR__, 3) . \DIRECTORY_SEPARATOR)) {
                continue;
            }
            \preg_match('~[/\\\\]vendor[/\\\\]|^/usr/share/~', $file) === 1 ? $libraries[] = $file : $own[] = $file;
        }

        return [...$own, ...$libraries];
    }

    /** @return list<string> */
    private static function inFunction(string $class, string $name, string $pattern): array
    {
        try {
            $function = $class === '' ? new \ReflectionFunction($name) : new \ReflectionMethod($class, $name);
        } catch (\ReflectionException) {
            return [];
        }

        return \array_slice(self::search((string) $function->getFileName(), $pattern,
            (int) $function->getStartLine(), (int) $function->getEndLine()), 0, self::MOST_PLACES);
    }

    /** @return list<string> */
    private static function search(string $file, string $pattern, int $from = 1, int $to = \PHP_INT_MAX): array
    {
        $places = [];
        $code = $file === '' ? '' : (string) @\file_get_contents($file);
        if (\preg_match("~$pattern~i", $code) !== 1) {
            return [];
        }
        foreach (\explode("\n", $code) as $at => $line) {
            $number = $at + 1;
            if ($number < $from || $number > $to || \preg_match('~^\s*(?:\*|//|#|/\*|(?:\w+\s+)*static\s+\S*\s*\$)~',
                $line) === 1) {
                continue; // a comment, or a declaration
            }
            if (\preg_match("~$pattern~i", $line) === 1) {
                $places[] = "$file:$number";
            }
        }

        return $places;
    }
}
