<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

use WorkerHost\Internal\Silence;

/** @internal What PHP and the system keep for the whole process, and any code may change: settings, the locale. */
final class Surroundings
{
    /** What the SDK itself sets. */
    private const OWN = ['ini max_execution_time', 'ini ignore_user_abort'];
    private const LOCALES = ['LC_COLLATE', 'LC_CTYPE', 'LC_MONETARY', 'LC_NUMERIC', 'LC_TIME', 'LC_MESSAGES'];

    /** @return array<string, string> by name; environment variables as "environment NAME" */
    public static function read(): array
    {
        $all = [];
        foreach (\ini_get_all(null, false) as $name => $value) {
            $all["ini $name"] = (string) $value;
        }
        foreach (self::OWN as $own) {
            unset($all[$own]);
        }
        foreach (self::LOCALES as $category) {
            if (\defined($category)) {
                $all["locale $category"] = (string) \setlocale(\constant($category), '0');
            }
        }
        $all['time zone'] = \date_default_timezone_get();
        $all['working directory'] = (string) \getcwd();
        $all['umask'] = \sprintf('%04o', \umask());
        if (\function_exists('mb_internal_encoding')) {
            $all['mb_internal_encoding'] = (string) \mb_internal_encoding();
        }
        if (\function_exists('libxml_use_internal_errors')) {
            $all['libxml_use_internal_errors'] = \libxml_use_internal_errors() ? '1' : '0';
        }
        $all['stream wrappers'] = \implode(' ', \stream_get_wrappers());
        foreach (\getenv() as $name => $value) {
            $all["environment $name"] = $value;
        }
        foreach (Handlers::KINDS as $kind) {
            $all[$kind] = Handlers::top($kind);
        }

        return $all;
    }

    /**
     * Which differ.
     *
     * @param array<string, string> $before
     * @param array<string, string> $after
     *
     * @return array<string, array{?string, ?string}> before and after, null where there was none
     */
    public static function changes(array $before, array $after): array
    {
        $changes = [];
        foreach ($before + $after as $name => $value) {
            $pair = [$before[$name] ?? null, $after[$name] ?? null];
            if ($pair[0] !== $pair[1]) {
                $changes[$name] = $pair;
            }
        }

        return $changes;
    }

    /** Sets one as it was; what can't be set stays. */
    public static function write(string $name, ?string $value): void
    {
        [$kind, $rest] = \explode(' ', $name, 2) + [1 => ''];
        Silence::begin();
        try {
            match (true) {
                $kind === 'ini' => @\ini_set($rest, (string) $value) === false ? \ini_restore($rest) : null,
                $kind === 'locale' => @\setlocale(\constant($rest), (string) $value),
                $kind === 'environment' => @\putenv($value === null ? $rest : "$rest=$value"),
                $name === 'time zone' => @\date_default_timezone_set((string) $value),
                $name === 'working directory' => @\chdir((string) $value),
                $name === 'umask' => \umask((int) \octdec((string) $value)),
                $name === 'mb_internal_encoding' => @\mb_internal_encoding((string) $value),
                $name === 'libxml_use_internal_errors' => \libxml_use_internal_errors($value === '1'),
                default => null,
            };
        } finally {
            \restore_error_handler();
        }
    }

    /** What to show of a change: no value that may be secret. @param array{?string, ?string} $change */
    public static function shown(string $name, array $change): string
    {
        if (\str_starts_with($name, 'environment ') || \str_starts_with($name, 'ini session.')) {
            return match (null) {
                $change[0] => 'was set',
                $change[1] => 'was removed',
                default => 'was changed',
            };
        }
        [$before, $after] = \array_map(static fn (?string $value): string => match (true) {
            $value === null || $value === '' => 'none',
            \strlen($value) > 80 => \substr($value, 0, 80) . '…',
            default => \preg_replace('/ #\d+$/D', '', $value),
        }, $change);

        return $before === $after ? "another $after" : "$before → $after";
    }

    /** Where one may have been given the value. @return list<string> FILE:LINE */
    public static function places(Places $places, string $name, ?string $value): array
    {
        return $places->where(self::written($name),
            \in_array($name, Handlers::KINDS, true) ? Handlers::file((string) $value) : '');
    }

    /** What in code changes it, as a pattern. */
    private static function written(string $name): string
    {
        [$kind, $rest] = \explode(' ', $name, 2) + [1 => ''];
        $quoted = \preg_quote($rest, '~');

        return match (true) {
            $name === 'ini error_reporting' => '\berror_reporting\s*\(\s*[^)\s]|\bini_set\s*\(\s*[\'"]error_reporting',
            $kind === 'ini' => "\\b(?:ini_set|ini_alter)\\s*\\(\\s*['\"]{$quoted}['\"]",
            $kind === 'locale' => '\bsetlocale\s*\(',
            $kind === 'environment' => "\\bputenv\\s*\\(\\s*['\"]{$quoted}\\b",
            $name === 'time zone' => '\bdate_default_timezone_set\s*\(',
            $name === 'working directory' => '\bchdir\s*\(',
            $name === 'umask' => '\bumask\s*\(\s*[^)\s]',
            $name === 'stream wrappers' => '\bstream_wrapper_(?:un)?register\s*\(',
            $name === Handlers::ERROR => '\bset_error_handler\s*\(',
            $name === Handlers::EXCEPTION => '\bset_exception_handler\s*\(',
            default => "\\b$kind\\s*\\(\\s*[^)\\s]",
        };
    }
}
