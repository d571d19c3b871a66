<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\UploadedFile;
use WorkerHost\Log;

/**
 * @internal Names as PHP reads them in query strings and forms: `a[]`, `a[b][c]`, dots to underscores, the last one
 *     wins.
 */
final class Form
{
    /** @return array<array-key, mixed> */
    public static function parse(string $encoded): array
    {
        if ($encoded === '') {
            return [];
        }
        $count = \substr_count($encoded, '&') + 1;
        $most = (int) \ini_get('max_input_vars');
        if ($count <= $most) {
            \parse_str($encoded, $parsed);

            return $parsed;
        }
        Log::warn("a form or query of $count fields: those after the first $most were dropped; "
            . "PHP's max_input_vars sets the limit");
        // PHP itself warns of it here, where the code's own error handler would get it; behind a web server that is
        // before there is one.
        Silence::begin();
        try {
            @\parse_str($encoded, $parsed);
        } finally {
            \restore_error_handler();
        }

        return $parsed;
    }

    /**
     * $_COOKIE: of two with one name PHP takes the first, which has the longer path, but of `p[]=1; p[]=2` both. It
     * decodes values, without the plus sign, and no names.
     *
     * @return array<array-key, mixed>
     */
    public static function cookies(string $header): array
    {
        $encoded = $seen = [];
        foreach (\explode(';', $header) as $pair) {
            [$name, $value] = \explode('=', $pair, 2) + [1 => ''];
            $name = \ltrim($name, " \t\n\r\v\f");
            if ($name === '') {
                continue;
            }
            \parse_str(\urlencode($name), $parsed);
            $key = \array_key_first($parsed);
            if ($key !== null && (\is_array($parsed[$key]) || !isset($seen[$key]))) {
                $seen[$key] = true;
                $encoded[] = \urlencode($name) . '=' . \strtr($value, ['+' => '%2B', '&' => '%26']);
            }
        }

        return self::parse(\implode('&', $encoded));
    }

    /**
     * @param list<string> $pairs name, value, name, value …
     *
     * @return array<array-key, mixed>
     */
    public static function fromPairs(array $pairs): array
    {
        $encoded = '';
        for ($i = 0, $count = \count($pairs); $i < $count; $i += 2) {
            $encoded .= \urlencode($pairs[$i]) . '=' . \urlencode($pairs[$i + 1]) . '&';
        }

        return self::parse(\rtrim($encoded, '&'));
    }

    /**
     * The files at the places that their fields' names give them.
     *
     * @template T
     *
     * @param list<UploadedFile>        $files
     * @param callable(UploadedFile): T $leaf
     *
     * @return array<array-key, mixed> of T, nested
     */
    public static function tree(array $files, callable $leaf): array
    {
        $encoded = [];
        foreach ($files as $at => $file) {
            $encoded[] = \urlencode($file->field) . '=' . $at;
        }
        $tree = self::parse(\implode('&', $encoded));
        \array_walk_recursive($tree, static function (string &$at) use ($files, $leaf): void {
            $at = $leaf($files[(int) $at]);
        });

        return $tree;
    }

    /**
     * The files in the form of $_FILES, where `docs[a]` becomes `docs[name][a]`, `docs[size][a]` and so on.
     *
     * @param list<UploadedFile> $files
     *
     * @return array<array-key, array<string, mixed>>
     */
    public static function superglobal(array $files): array
    {
        $result = [];
        foreach (self::tree($files, static fn (UploadedFile $file): UploadedFile => $file) as $field => $node) {
            $attributes = [
                'name' => static fn (UploadedFile $file): string => $file->name,
                'full_path' => static fn (UploadedFile $file): string => $file->fullPath,
                'type' => static fn (UploadedFile $file): string => $file->error === 0 ? $file->type : '',
                'tmp_name' => static fn (UploadedFile $file): string => $file->path,
                'error' => static fn (UploadedFile $file): int => $file->error,
                'size' => static fn (UploadedFile $file): int => $file->size,
            ];
            foreach ($attributes as $name => $value) {
                $result[$field][$name] = self::map($node, $value);
            }
        }

        return $result;
    }

    private static function map(mixed $node, callable $value): mixed
    {
        return \is_array($node) ? \array_map(static fn (mixed $child): mixed => self::map($child, $value), $node)
            : $value($node);
    }
}
