<?php

declare(strict_types=1);

// Laravel from Debian's packages. With Composer this file is vendor/autoload.php.

foreach (['Illuminate', 'Monolog', 'Symfony/Component/HttpKernel', 'Symfony/Component/VarDumper'] as $package) {
    if (stream_resolve_include_path("$package/autoload.php") === false) {
        throw new RuntimeException("$package is missing: apt-get install php-laravel-framework");
    }
    require_once "$package/autoload.php";
}
spl_autoload_register(static function (string $class): void {
    $folders = ['App\\' => dirname(__DIR__) . '/app/', 'Illuminate\\' => '/usr/share/php/Illuminate/'];
    foreach ($folders as $prefix => $folder) {
        $file = $folder . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
        if (str_starts_with($class, $prefix) && is_file($file)) {
            require $file;
        }
    }
});
