<?php

declare(strict_types=1);

// PHP's functions that can't do under its command line what they do behind a web server. The host starts a worker's
// PHP without them (`disable_functions`), so that they can be defined here; where PHP was started in another way it
// has its own, and those here are left out. getallheaders() it never has.

use WorkerHost\Internal\Inputs;
use WorkerHost\Internal\Printed;

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
