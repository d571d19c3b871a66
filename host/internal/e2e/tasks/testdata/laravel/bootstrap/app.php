<?php

declare(strict_types=1);

// A Laravel application of Debian's packages whose jobs the host runs.

use Illuminate\Contracts\Console\Kernel as Console;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Foundation\Application;

foreach (['Illuminate', 'Monolog', 'Symfony/Component/HttpKernel', 'Symfony/Component/VarDumper'] as $package) {
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
$app = new Application(dirname(__DIR__));
$app->singleton(Kernel::class, Illuminate\Foundation\Http\Kernel::class);
$app->singleton(Console::class, Illuminate\Foundation\Console\Kernel::class);
$app->singleton(ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);

return $app;
