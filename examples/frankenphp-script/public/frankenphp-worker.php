<?php

declare(strict_types=1);

// A worker script as FrankenPHP's manual has it, without a line for this host. What stands here runs once per worker.

$pages = require __DIR__ . '/../src/pages.php';
$data = getenv('APP_DATA') ?: sys_get_temp_dir();
ini_set('session.save_path', $data);
ini_set('session.use_strict_mode', '1');

$handler = static function () use ($pages, $data): void {
    $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
    try {
        isset($pages[$path]) ? $pages[$path]($data) : http_response_code(404);
    } catch (Throwable $e) {
        error_log((string) $e);
        http_response_code(500);
        echo 'Something went wrong.';
    }
};

do {
    $more = frankenphp_handle_request($handler);
    gc_collect_cycles();
} while ($more);
