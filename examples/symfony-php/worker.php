<?php

declare(strict_types=1);

// A Symfony application: the kernel is booted once per worker, before it is ready, and serves every request after
// that. There is no public/index.php; this file stands in its place.

use App\Kernel;
use WorkerHost\Bridge\Symfony;
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';
// Symfony from Debian's packages. With Composer this is: require __DIR__ . '/vendor/autoload.php';
set_include_path(get_include_path() . PATH_SEPARATOR . '/usr/share/php');
foreach (['FrameworkBundle', 'TwigBundle'] as $bundle) {
    if (stream_resolve_include_path("Symfony/Bundle/$bundle/autoload.php") === false) {
        throw new RuntimeException(
            "$bundle is missing: apt-get install php-symfony-framework-bundle php-symfony-twig-bundle");
    }
    require_once "Symfony/Bundle/$bundle/autoload.php";
}
require_once 'Twig/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'App\\')
        && is_file($file = __DIR__ . '/src/' . strtr(substr($class, 4), '\\', '/') . '.php')) {
        require $file;
    }
});

Worker::create()
    ->onRequest(Symfony::create(static fn (): Kernel =>
        new Kernel($_SERVER['APP_ENV'] ?? 'prod', (bool) ($_SERVER['APP_DEBUG'] ?? false))))
    ->run();
