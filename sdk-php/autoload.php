<?php

declare(strict_types=1);

// Loads the SDK without Composer: require this file, then use the classes.

require_once __DIR__ . '/functions.php';

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'WorkerHost\\')) {
        $file = __DIR__ . '/src/' . strtr(substr($class, 11), '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
