<?php

declare(strict_types=1);

// Makes the application, for public/index.php.

use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Foundation\Application;

require_once __DIR__ . '/autoload.php';

$app = new Application(dirname(__DIR__));
// Compiled views are code: a folder that nobody else may write to. One for all releases, so that a deploy logs nobody
// out.
$storage = ($_SERVER['APP_STORAGE'] ?? '') ?: $app->basePath('var');
foreach (['framework/sessions', 'framework/views', 'app'] as $folder) {
    if (!is_dir("$storage/$folder") && !mkdir("$storage/$folder", 0700, true) && !is_dir("$storage/$folder")) {
        throw new RuntimeException("can't create $storage/$folder: name another folder in APP_STORAGE");
    }
}
$app->useStoragePath($storage);
$app->singleton(Kernel::class, App\Http\Kernel::class);
$app->singleton(ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);

return $app;
