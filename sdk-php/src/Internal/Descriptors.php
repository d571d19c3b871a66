<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal Finds the link's two descriptors, and keeps what user code prints away from them (SPEC.md §1.1). */
final class Descriptors
{
    private const VARIABLE = 'WORKERHOST_FRAMES';

    /** @var list<resource> what holds descriptors 0 and 1, for as long as the process lives */
    private static array $kept = [];

    /**
     * @return array{resource, resource}|null to read from and to write to; null if no host can be at the other end
     *
     * @throws LinkError if the variable is there but is of no use
     */
    public static function open(): ?array
    {
        $announced = \getenv(self::VARIABLE);
        if ($announced !== false) {
            \putenv(self::VARIABLE);
            unset($_ENV[self::VARIABLE], $_SERVER[self::VARIABLE]);

            return self::announced($announced);
        }
        if (!\defined('STDIN') || !\is_resource(\STDIN) || !\is_resource(\STDOUT) || \stream_isatty(\STDIN)) {
            return null;
        }
        $kind = (\fstat(\STDIN)['mode'] ?? 0) & 0170000;
        if ($kind !== 0010000 && $kind !== 0140000) {
            return null; // a file, a device: a pipe or a socket is what a host would give
        }

        return self::moved();
    }

    /** @return array{resource, resource} */
    private static function announced(string $value): array
    {
        if (\preg_match('/^(\d{1,6}),(\d{1,6})$/D', $value, $match) !== 1) {
            throw new LinkError(self::VARIABLE
                . ' to hold two descriptor numbers with a comma between them, as in 3,4', LinkError::show($value));
        }
        $in = @\fopen("php://fd/$match[1]", 'rb');
        $out = @\fopen("php://fd/$match[2]", 'wb');
        if ($in === false || $out === false) {
            throw new LinkError("open descriptors $match[1] and $match[2], which " . self::VARIABLE . ' names',
                \error_get_last()['message'] ?? 'none');
        }

        return [$in, $out];
    }

    /**
     * The link is standard input and output: takes both away from user code. Closing a descriptor and opening another
     * one right after gives the new one its number.
     *
     * @return array{resource, resource}
     */
    private static function moved(): array
    {
        $in = \fopen('php://stdin', 'rb');
        \fclose(\STDIN);
        self::$kept[] = \fopen(\PHP_OS_FAMILY === 'Windows' ? 'NUL' : '/dev/null', 'rb');
        $out = \fopen('php://stdout', 'wb');
        \fclose(\STDOUT);
        self::$kept[] = \fopen('php://stderr', 'wb');

        return [$in, $out];
    }
}
