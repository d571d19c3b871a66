<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal php://input. PHP reads it from a temporary stream of its own, which under the command line is there and
 * stays empty; so the body is put there, and all else is PHP's: it can be opened as often as one likes, sought in,
 * and read through filters. (A stream wrapper in place of php:// would have to stand in for php://memory and all
 * others as well, and each time that one is registered PHP keeps a little memory.)
 */
final class Input
{
    /** @var resource|null */
    private static $stream = null;
    private static bool $filled = false;

    /** Takes all of the body, however long it takes to come. */
    public static function start(Body $body): void
    {
        self::$filled = true;
        $body->keep(self::$stream ??= self::find());
    }

    public static function end(): void
    {
        if (self::$filled) {
            self::$filled = false;
            \ftruncate(self::$stream, 0);
            \rewind(self::$stream);
        }
    }

    /**
     * The stream that PHP makes when php://input is first opened: no name, nothing in it, and php://input reads it.
     *
     * @return resource
     */
    private static function find()
    {
        $input = \fopen('php://input', 'rb');
        foreach (\get_resources('stream') as $stream) {
            $about = \stream_get_meta_data($stream);
            if (($about['stream_type'] ?? '') !== 'TEMP' || isset($about['uri']) || \fstat($stream)['size'] !== 0) {
                continue;
            }
            \fwrite($stream, '?');
            $read = \stream_get_contents($input, 1, 0);
            \ftruncate($stream, 0);
            \rewind($stream);
            if ($read === '?') {
                return $stream;
            }
        }
        throw new \Error('superglobals() does not know how to fill php://input under PHP ' . \PHP_VERSION);
    }
}
