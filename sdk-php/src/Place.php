<?php

declare(strict_types=1);

namespace WorkerHost;

/** A worker's place in the host's pool, as the host told it: Worker::place(). */
final class Place
{
    /** @internal */
    public function __construct(
        public readonly string $pool,
        /** Of the pool's code, from 1: each reload starts a new one. */
        public readonly int $generation,
        /** From 0; a worker's replacement has the same one. */
        public readonly int $slot,
        /** The host's name and version. */
        public readonly string $host,
        /** Whether the host runs with --dev: error pages may show traces. */
        public readonly bool $dev,
    ) {
    }
}
