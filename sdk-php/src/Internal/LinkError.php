<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal The two ends disagree about the wire (SPEC.md §11.1); the link is over. */
class LinkError extends \RuntimeException
{
    /** @param string $section of SPEC.md, if there is one to the point */
    public function __construct(string $expected, string $got, string $section = '')
    {
        $section = $section === '' ? '' : " (SPEC.md §$section)";
        parent::__construct("the link to the host has failed: expected $expected, got $got$section");
    }

    /** A few bytes from the wire, fit to be read by a person. */
    public static function show(string $bytes): string
    {
        $text = \addcslashes(\substr($bytes, 0, 64), "\0..\37\"\\\177..\377");

        return '"' . $text . '"' . (\strlen($bytes) > 64 ? '…' : '');
    }
}
