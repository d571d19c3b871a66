<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal What a template's children would share with each other, and must not: a connection to a database, of which
 * two would read each other's answers; a file, in which they would move each other's place; threads, which a fork
 * does not have.
 */
final class Inheritance
{
    /** Files that PHP itself keeps, and that are made to be shared; `%s` is a name of its own. */
    private const HARMLESS = '~^/dev/(null|zero|full|u?random)$|/\.ZendSem\.\w+ \(deleted\)$|^/memfd:opcache_lock~';
    private const APPENDING = 02000; // O_APPEND, in the octal digits of fdinfo

    /**
     * @param string   $folder  of the links
     * @param resource $control to the host
     *
     * @return string what there is of it, and what to do; '' for nothing
     */
    public static function found(string $folder, $control): string
    {
        $found = self::descriptors($folder, $control);
        if ($found !== []) {
            return 'fork = true: the code has opened what all workers would share: ' . \implode('; ', $found)
                . '. Open it when it is first needed, or in $worker->onFork() (Workerman: onWorkerStart), which runs '
                . 'in each worker; or close it before the worker is ready';
        }
        $threads = \count(@\scandir('/proc/self/task') ?: []) - 2;
        if ($threads > 1) {
            $names = \array_map(static fn (string $file): string => \trim((string) @\file_get_contents($file)),
                \glob('/proc/self/task/*/comm') ?: []);
            return 'fork = true: an extension has started threads, which workers that are forked do not have ('
                . \implode(', ', $names) . '): make what needs them when it is first needed, or in $worker->onFork() '
                . '(Workerman: onWorkerStart), which runs in each worker';
        }

        return '';
    }

    /** @return list<string> */
    private static function descriptors(string $folder, $control): array
    {
        $own = \array_fill_keys(\get_included_files(), true); // PHP keeps the script open, and has read it
        $own['socket:[' . \fstat($control)['ino'] . ']'] = true;
        foreach ([0, 1, 2] as $number) {
            $own[(string) @\readlink("/proc/self/fd/$number")] = true;
        }
        $found = [];
        foreach (@\scandir('/proc/self/fd') ?: [] as $number) {
            $target = @\readlink("/proc/self/fd/$number");
            if ($target === false || isset($own[$target]) || \str_starts_with($target, "$folder/")
                || \preg_match(self::HARMLESS, $target) === 1 || self::appends($number)) {
                continue; // false: what scandir() had open itself
            }
            $found[] = 'descriptor ' . $number . ', ' . self::name($target);
        }

        return $found;
    }

    /** Whether what is written there goes to the end, wherever others have written meanwhile: a log. */
    private static function appends(string $number): bool
    {
        $info = (string) @\file_get_contents("/proc/self/fdinfo/$number");

        return \preg_match('/^flags:\s*([0-7]+)$/m', $info, $match) === 1
            && (\octdec($match[1]) & self::APPENDING) !== 0;
    }

    /** What a descriptor is, for a person. */
    private static function name(string $target): string
    {
        if (\preg_match('/^socket:\[(\d+)\]$/D', $target, $match) !== 1) {
            return $target;
        }
        foreach (['tcp', 'tcp6', 'udp', 'udp6'] as $kind) {
            foreach (@\file("/proc/self/net/$kind") ?: [] as $line) {
                $fields = \preg_split('/\s+/', \trim($line));
                if (($fields[9] ?? '') === $match[1]) {
                    $peer = self::address($fields[2]);

                    return \strtoupper(\substr($kind, 0, 3)) . ($peer === null ? ' socket at '
                        . self::address($fields[1], true) : " connection to $peer");
                }
            }
        }
        foreach (@\file('/proc/self/net/unix') ?: [] as $line) {
            $fields = \preg_split('/\s+/', \trim($line));
            if (($fields[6] ?? '') === $match[1]) {
                return isset($fields[7]) ? "unix socket at $fields[7]" : 'connection to a unix socket';
            }
        }

        return $target;
    }

    /** An address as /proc has it, `0100007F:0CEA`; null for none. */
    private static function address(string $hex, bool $always = false): ?string
    {
        [$address, $port] = \explode(':', $hex) + [1 => '0'];
        if (!$always && \hexdec($port) === 0) {
            return null;
        }
        // each word of four bytes is in the machine's order
        $bytes = \implode('', \array_map(static fn (string $word): string => \pack('L', \hexdec($word)),
            \str_split($address, 8)));
        if (\strlen($bytes) === 16 && \str_starts_with($bytes, \str_repeat("\0", 10) . "\xFF\xFF")) {
            $bytes = \substr($bytes, 12); // an address of version 4
        }
        $text = (string) @\inet_ntop($bytes);

        return (\str_contains($text, ':') ? "[$text]" : $text) . ':' . \hexdec($port);
    }
}
