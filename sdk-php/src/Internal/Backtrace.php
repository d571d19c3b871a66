<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Internal\Fibers\Strands;

/**
 * @internal Says where the code stands when the host asks for it with SIGUSR2 (SPEC.md §8.4).
 *
 * PHP runs the handler between two steps of its own, so a call into C that does not return is not interrupted: then no
 * answer comes, and the host says that the worker is stuck in a call.
 */
final class Backtrace
{
    public const FEATURE = 'backtrace';
    private const MOST_FRAMES = 250;
    private const MOST_STRANDS = 16;

    private static ?\Closure $handler = null;
    /** What is at hand beside, if several requests are. */
    private static ?Strands $strands = null;

    /** Begins to answer, where ext-pcntl is loaded. */
    public static function install(Link $link): void
    {
        if (!\function_exists('pcntl_async_signals') || !\function_exists('pcntl_signal')
            || !\function_exists('pcntl_signal_get_handler')) {
            return;
        }
        $pid = \getmypid();
        self::$handler = static function () use ($link, $pid): void {
            if (\getmypid() === $pid) { // else it is a child that was forked, and the link is not its own
                // A codec of its own: the link's may be at work this very moment.
                $context = ['backtrace' => self::text()];
                if (self::$strands !== null) {
                    $context['requests'] = self::$strands->whereabouts(self::MOST_STRANDS);
                }
                $link->interject((new Codec())->frame([Frame::LOG, 0, 'warn', 'backtrace', $context]));
            }
        };
        \pcntl_async_signals(true);
        if (!\pcntl_signal(\SIGUSR2, self::$handler)) {
            self::$handler = null;
        }
    }

    /** Has it say as well where each of several requests stands. */
    public static function follow(?Strands $strands): void
    {
        self::$strands = $strands;
    }

    /** Whether a SIGUSR2 would be answered: user code may have taken it for itself. */
    public static function answers(): bool
    {
        return self::$handler !== null && \pcntl_async_signals()
            && \pcntl_signal_get_handler(\SIGUSR2) === self::$handler;
    }

    /** The code at hand, innermost first, without arguments: they may be secrets. */
    private static function text(): string
    {
        // without this function
        $frames = \array_slice(\debug_backtrace(\DEBUG_BACKTRACE_IGNORE_ARGS, self::MOST_FRAMES), 1);
        $lines = [];
        foreach ($frames as $i => $frame) {
            $around = $frames[$i + 1] ?? null;
            $name = $around === null ? '{main}'
                : ($around['class'] ?? '') . ($around['type'] ?? '') . $around['function'] . '()';
            $lines[] = "#$i " . (isset($frame['file']) ? "{$frame['file']}:{$frame['line']}" : '[internal function]')
                . " in $name";
        }

        return \implode("\n", $lines);
    }
}
