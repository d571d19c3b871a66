<?php

declare(strict_types=1);

// Slim from Debian's packages. With Composer this is vendor/autoload.php.

// Slim 3 is older than PHP 8, which says so of many of its lines.
error_reporting(E_ALL & ~E_DEPRECATED);
set_include_path(get_include_path() . PATH_SEPARATOR . '/usr/share/php');
if (stream_resolve_include_path('Slim/autoload.php') === false) {
    throw new RuntimeException('Slim is missing: apt-get install php-slim');
}
require_once 'Slim/autoload.php';
