<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal Where the code that was loaded calls exit(). PHP does not tell which of them has ended it, so these are
 * all that can be named; libraries are left out, whose exits are many and rarely meant.
 */
final class Exits
{
    private const MOST_FILES = 300;
    private const MOST_PLACES = 5;

    /** @return string `file:line, file:line`; '' if there are none, or too many to be of help */
    public static function text(): string
    {
        if (!\function_exists('token_get_all')) {
            return '';
        }
        $sdk = \dirname(__DIR__, 2) . \DIRECTORY_SEPARATOR;
        $places = [];
        foreach (\array_slice(\get_included_files(), 0, self::MOST_FILES) as $file) {
            if (\str_starts_with($file, $sdk) || \preg_match('~[/\\\\]vendor[/\\\\]~', $file) === 1) {
                continue;
            }
            $code = (string) @\file_get_contents($file);
            if (\stripos($code, 'exit') === false && \stripos($code, 'die') === false) {
                continue;
            }
            foreach (@\token_get_all($code) as $token) {
                if (\is_array($token) && $token[0] === \T_EXIT) {
                    $places[] = "$file:$token[2]";
                }
            }
        }

        return \count($places) > self::MOST_PLACES ? '' : \implode(', ', $places);
    }
}
