<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal What an output callback returns in place of throwing. PHP never calls a callback again that has thrown,
 * and lets what is printed then pass it by; but an object that throws when PHP takes it for a string is thrown where
 * the code prints, and harms nothing.
 */
final class Thrown
{
    public function __construct(private readonly \Throwable $error)
    {
    }

    /** @throws \Throwable always */
    public function __toString(): string
    {
        throw $this->error;
    }
}
