<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal Around calls whose warnings are expected. PHP hands those that `@` silences to the code's own error
 * handler all the same, and one that throws would throw out of the SDK's midst.
 */
final class Silence
{
    /**
     * From here on only PHP hears of errors, so `@` is still needed. Pair it with restore_error_handler(), whatever
     * is thrown.
     */
    public static function begin(): void
    {
        \set_error_handler(static fn (): bool => false);
    }
}
