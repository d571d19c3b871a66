<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

/**
 * @internal Stands on a strand's stack while code of the application's is above it. exit() takes that stack down, this
 *     with it, and it says whose it was: nothing else in PHP tells which fiber has ended the process.
 */
final class Unwound
{
    public function __construct(private ?Strand $strand)
    {
    }

    /** That code has come to its end. */
    public function over(): void
    {
        $this->strand = null;
    }

    public function __destruct()
    {
        if ($this->strand?->message !== null) {
            $this->strand->strands->culprit ??= $this->strand;
        }
    }
}
