<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

/** @internal Error and exception handlers. PHP stacks them, and shows the top one alone. */
final class Handlers
{
    public const ERROR = 'error handler';
    public const EXCEPTION = 'exception handler';
    public const KINDS = [self::ERROR, self::EXCEPTION];
    private const MOST = 64;

    /** The one in force, as a text that no other has; '' for none. */
    public static function top(string $kind): string
    {
        return self::text(self::peek($kind));
    }

    /**
     * Takes off what stands above the one that is described so.
     *
     * @return list<callable> the upper first
     */
    public static function unstack(string $kind, string $down): array
    {
        $taken = [];
        while (\count($taken) < self::MOST && ($top = self::peek($kind)) !== null && self::text($top) !== $down) {
            $taken[] = $top;
            $kind === self::ERROR ? \restore_error_handler() : \restore_exception_handler();
        }

        return $taken;
    }

    /**
     * Puts them back. For which errors an error handler was set PHP does not tell, so it is for all from now on.
     *
     * @param list<callable> $taken
     */
    public static function restack(string $kind, array $taken): void
    {
        foreach (\array_reverse($taken) as $handler) {
            $kind === self::ERROR ? \set_error_handler($handler) : \set_exception_handler($handler);
        }
    }

    /** The file that a handler which is described so comes from; '' if there is none. */
    public static function file(string $text): string
    {
        if (\preg_match('/^a closure of (.*):\d+ #\d+$/D', $text, $match) === 1) {
            return $match[1];
        }
        $class = \preg_split('/->|::| #/', $text)[0];

        return \class_exists($class, false) ? (string) (new \ReflectionClass($class))->getFileName() : '';
    }

    private static function peek(string $kind): ?callable
    {
        if ($kind === self::ERROR) {
            $top = \set_error_handler(null);
            \restore_error_handler();
        } else {
            $top = \set_exception_handler(null);
            \restore_exception_handler();
        }

        return $top;
    }

    private static function text(?callable $handler): string
    {
        if ($handler === null) {
            return '';
        }
        if ($handler instanceof \Closure) {
            $function = new \ReflectionFunction($handler);
            $place = $function->getFileName() === false ? $function->name
                : "{$function->getFileName()}:{$function->getStartLine()}";

            return "a closure of $place #" . \spl_object_id($handler);
        }
        if (\is_array($handler)) {
            [$on, $method] = $handler;

            return \is_string($on) ? "$on::$method()" : $on::class . "->$method() #" . \spl_object_id($on);
        }

        return \is_object($handler) ? $handler::class . ' #' . \spl_object_id($handler) : "$handler()";
    }
}
