<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\Request;

/** @internal Responses that the host is to fetch (SPEC.md §15). */
final class Fetches
{
    /** What HELLO says of a host that fetches for this pool. */
    public const FEATURE = 'fetch';
    /** What READY says of code that wants to know how they ended. */
    public const FETCHED = 'fetched';
    /** What READY says of code that answers where they failed, and the header of such a request. */
    public const FAILED = 'fetch-failed';
    private const WHY = 'x-worker-fetch-failed';
    /** Names of what goes on of the answer's head that are no fields: all of these, and the status. */
    private const ALL = '*';
    private const STATUS = ':status';

    /** The pool, if its host fetches nothing for it; it is the process's, as there is one worker in it. */
    public static ?string $refusing = '';

    /** @param list<mixed> $hello */
    public static function greet(array $hello): void
    {
        self::$refusing = \in_array(self::FEATURE, $hello[10], true) ? null : $hello[3];
    }

    /**
     * A handler that leaves requests whose fetch has failed to another one.
     *
     * @param (callable(Request): mixed)|null      $handler
     * @param callable(Request, string): mixed     $failed
     */
    public static function around(?callable $handler, callable $failed): \Closure
    {
        return static function (Request $request) use ($handler, $failed): mixed {
            $why = $request->header(self::WHY);

            return $why !== '' || $handler === null ? $failed($request, $why) : $handler($request);
        };
    }

    /** @throws \LogicException if the host would take the request's body for the answer */
    public static function demand(): void
    {
        if (self::$refusing !== null) {
            throw new \LogicException('Response::fetch(): the host fetches nothing for this pool; name what it may in '
                . 'host.toml, [pool.' . (self::$refusing === '' ? 'NAME' : self::$refusing)
                . '.fetch] allow = ["https://…"], and reload');
        }
    }

    /**
     * RESPONSE's element.
     *
     * @param array<array-key, mixed>          $headers of the request
     * @param string|array<array-key, string>  $head    as Response::fetch() has it
     *
     * @return array{list<mixed>, array<array-key, string>} the element, and the headers that are the response's own
     */
    public static function element(string $url, string $method, array $headers, string|array $head, mixed $context,
        int $keep, float $timeout, bool $status): array
    {
        if ($keep < 0 || !($timeout >= 0)) {
            throw new \ValueError("Response::fetch() keeps 0 bytes or more, for 0 seconds or more; not $keep, "
                . $timeout);
        }
        Entries::check($context, '', 0, 'context');
        [$pass, $own] = [[], []];
        if (\is_string($head)) {
            if ($head !== 'pass') {
                throw new \ValueError("Response::fetch(): head is 'pass' or an array, not '$head'");
            }
            $pass[] = self::ALL;
        } else {
            foreach ($head as $name => $value) {
                if (!\is_int($name)) {
                    $own[$name] = $value;
                } elseif ($value === 'pass') {
                    $pass[] = self::ALL;
                } else {
                    Headers::check($value, '');
                    $pass[] = $value;
                }
            }
        }
        if ($status) {
            $pass[] = self::STATUS;
        }

        return [[$url, \strtoupper($method), Headers::pairs($headers), $pass, $context, $keep,
            (int) \ceil($timeout * 1000)], $own];
    }
}
