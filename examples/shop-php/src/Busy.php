<?php

declare(strict_types=1);

namespace Shop;

/** Not now: the same may be tried again. */
final class Busy extends \RuntimeException
{
}
