<?php

declare(strict_types=1);

namespace WorkerHost;

/**
 * The host did not answer a question about connections, a change of a session, or what was asked of a store or a
 * lock: it has none, it said why, or it is gone.
 *
 * getCode() says of which kind the error is, as one of these or another number, and 0 if that is not known (SPEC.md
 * §10.4). Below 100 the same question fails again; from 100 on nothing was done, and a retry is safe; from 200 on it
 * is not known what was done.
 */
final class CallFailed extends \RuntimeException
{
    /** There is no such method. */
    public const UNIMPLEMENTED = 1;
    /** The method does not take these arguments. */
    public const INVALID_ARGUMENT = 2;
    /** What it is about is not there. */
    public const NOT_FOUND = 3;
    /** This worker must not ask for it, such as one that is tried and may not change what is live. */
    public const PERMISSION_DENIED = 4;
    /** The answer, or what it was to make of something, is beyond a limit. */
    public const TOO_LARGE = 5;
    /** Not now. */
    public const UNAVAILABLE = 100;
    /** What it would be kept in is full. */
    public const RESOURCE_EXHAUSTED = 101;
    /** Its time was up: see Connections::withTimeout(). */
    public const DEADLINE_EXCEEDED = 200;
    /** It was given up. */
    public const CANCELLED = 201;
    /** The method failed. */
    public const INTERNAL = 202;
}
