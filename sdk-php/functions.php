<?php

declare(strict_types=1);

// PHP's functions that can't do under its command line what they do behind a web server. The host starts a worker's
// PHP without them (`disable_functions`), so that they can be defined here; where PHP was started in another way it
// has its own, and those here are left out. Some it never has: getallheaders(), fastcgi_finish_request().

use WorkerHost\Internal\Head;
use WorkerHost\Internal\Inputs;
use WorkerHost\Internal\Printed;
use WorkerHost\Internal\SetCookie;

if (!function_exists('ob_get_level')) {
    function ob_get_level(): int
    {
        return Printed::level();
    }
}

if (!function_exists('ob_get_status')) {
    function ob_get_status(bool $full_status = false): array
    {
        $status = [];
        foreach (Printed::handlers() as $level => $name) {
            $type = $name === 'default output handler' ? 0 : 1;
            $flags = PHP_OUTPUT_HANDLER_STDFLAGS | $type;
            $status[] = [
                'name' => $name, 'type' => $type, 'flags' => $flags, 'level' => $level,
                'chunk_size' => 0, 'buffer_size' => 16384, 'buffer_used' => 0,
            ];
        }
        if ($status !== []) {
            $status[count($status) - 1]['buffer_used'] = (int) ob_get_length();
        }

        return $full_status ? $status : ($status === [] ? [] : $status[count($status) - 1]);
    }
}

if (!function_exists('ob_get_clean')) {
    function ob_get_clean(): string|false
    {
        if (Printed::level() === 0) {
            return false;
        }
        $contents = ob_get_contents();
        ob_end_clean();

        return $contents;
    }
}

if (!function_exists('ob_get_flush')) {
    function ob_get_flush(): string|false
    {
        $contents = Printed::level() === 0 ? false : ob_get_contents();
        ob_end_flush();

        return $contents;
    }
}

if (!function_exists('ob_implicit_flush')) {
    function ob_implicit_flush(bool $enable = true): void
    {
        Printed::flushAtOnce($enable);
    }
}

if (!function_exists('flush')) {
    function flush(): void
    {
        Printed::flush();
    }
}

if (!function_exists('connection_aborted')) {
    function connection_aborted(): int
    {
        return Printed::aborted() ? 1 : 0;
    }
}

if (!function_exists('connection_status')) {
    function connection_status(): int
    {
        return Printed::aborted() ? CONNECTION_ABORTED : CONNECTION_NORMAL;
    }
}

if (!function_exists('filter_has_var')) {
    function filter_has_var(int $input_type, string $var_name): bool
    {
        return isset(Inputs::of($input_type)[$var_name]);
    }
}

if (!function_exists('filter_input')) {
    function filter_input(int $type, string $var_name, int $filter = FILTER_DEFAULT, array|int $options = 0): mixed
    {
        return Inputs::filter(Inputs::of($type)[$var_name] ?? null, $filter, $options);
    }
}

if (!function_exists('filter_input_array')) {
    function filter_input_array(
        int $type,
        array|int $options = FILTER_DEFAULT,
        bool $add_empty = true,
    ): array|false|null {
        return Inputs::filterAll(Inputs::of($type), $options, $add_empty);
    }
}

if (!function_exists('is_uploaded_file')) {
    function is_uploaded_file(string $filename): bool
    {
        return Inputs::uploaded($filename);
    }
}

if (!function_exists('move_uploaded_file')) {
    function move_uploaded_file(string $from, string $to): bool
    {
        return Inputs::move($from, $to);
    }
}

if (!function_exists('getallheaders')) {
    function getallheaders(): array
    {
        return Inputs::headers();
    }
}

if (!function_exists('apache_request_headers')) {
    function apache_request_headers(): array
    {
        return Inputs::headers();
    }
}

if (!function_exists('header')) {
    function header(string $header, ?bool $replace = true, ?int $response_code = 0): void
    {
        Head::line($header, (bool) $replace, (int) $response_code);
    }
}

if (!function_exists('headers_sent')) {
    function headers_sent(mixed &$filename = null, mixed &$line = null): bool
    {
        [$filename, $line] = Head::place();

        return Head::hasGone();
    }
}

if (!function_exists('headers_list')) {
    function headers_list(): array
    {
        return array_map(static fn (array $field): string => "$field[0]: $field[1]", Head::list());
    }
}

if (!function_exists('header_remove')) {
    function header_remove(?string $name = null): void
    {
        Head::remove($name);
    }
}

if (!function_exists('http_response_code')) {
    function http_response_code(?int $response_code = 0): int|bool
    {
        return Head::code((int) $response_code);
    }
}

if (!function_exists('header_register_callback')) {
    function header_register_callback(callable $callback): bool
    {
        Head::before($callback);

        return true;
    }
}

if (!function_exists('setcookie')) {
    function setcookie(
        string $name,
        ?string $value = '',
        array|int|null $expires_or_options = 0,
        ?string $path = '',
        ?string $domain = '',
        ?bool $secure = false,
        ?bool $httponly = false,
    ): bool {
        $more = [$path, $domain, $secure, $httponly];
        $given = func_num_args();

        return SetCookie::send('setcookie', $name, (string) $value, $expires_or_options ?? 0, $more, $given);
    }
}

if (!function_exists('setrawcookie')) {
    function setrawcookie(
        string $name,
        ?string $value = '',
        array|int|null $expires_or_options = 0,
        ?string $path = '',
        ?string $domain = '',
        ?bool $secure = false,
        ?bool $httponly = false,
    ): bool {
        $more = [$path, $domain, $secure, $httponly];
        $given = func_num_args();

        return SetCookie::send('setrawcookie', $name, (string) $value, $expires_or_options ?? 0, $more, $given);
    }
}

if (!function_exists('apache_response_headers')) {
    function apache_response_headers(): array
    {
        return array_column(Head::list(), 1, 0);
    }
}

if (!function_exists('fastcgi_finish_request')) {
    function fastcgi_finish_request(): bool
    {
        return Printed::finish();
    }
}
