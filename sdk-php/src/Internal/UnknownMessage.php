<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/**
 * @internal A message with a critical flag that this SDK does not know (SPEC.md §4.4), so that it knows none of it
 *     (§11.2).
 */
final class UnknownMessage extends LinkError
{
    /** @param string $name the message's, with its flags */
    public function __construct(public readonly string $name, public readonly int $stream)
    {
        parent::__construct('a message that this SDK knows', "$name on stream $stream", '4.4');
    }
}
