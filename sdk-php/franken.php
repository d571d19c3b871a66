<?php

declare(strict_types=1);

// What runs before a script that was written for FrankenPHP's worker mode: `api = "frankenphp"` has the host give this
// file to PHP as auto_prepend_file. Functions that are not of FrankenPHP alone stand in functions.php.

use WorkerHost\Internal\Franken;
use WorkerHost\Internal\Head;
use WorkerHost\Internal\Inputs;
use WorkerHost\Internal\Printed;

require_once __DIR__ . '/autoload.php';

const FRANKENPHP_LOG_LEVEL_DEBUG = -4;
const FRANKENPHP_LOG_LEVEL_INFO = 0;
const FRANKENPHP_LOG_LEVEL_WARN = 4;
const FRANKENPHP_LOG_LEVEL_ERROR = 8;

function frankenphp_handle_request(callable $callback): bool
{
    return Franken::handle($callback);
}

function frankenphp_finish_request(): bool
{
    return Printed::finish();
}

function frankenphp_request_headers(): array
{
    return Inputs::headers();
}

function frankenphp_response_headers(): array|bool
{
    return apache_response_headers();
}

function frankenphp_log(string $message, int $level = FRANKENPHP_LOG_LEVEL_INFO, array $context = []): void
{
    Franken::log($message, $level, $context);
}

function headers_send(int $status = 200): int
{
    if ($status >= 100 && $status < 200) {
        Head::inform($status);

        return 1;
    }
    http_response_code($status);
    Printed::sendHead();

    return 0;
}

function mercure_publish(
    string|array $topics,
    string $data = '',
    bool $private = false,
    ?string $id = null,
    ?string $type = null,
    ?int $retry = null,
): string {
    return Franken::publish($topics, $data, $id, $type, $retry);
}

if (!function_exists('php_sapi_name')) {
    function php_sapi_name(): string
    {
        return 'frankenphp';
    }
}

Franken::start();
