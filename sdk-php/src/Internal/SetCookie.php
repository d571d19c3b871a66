<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal setcookie() and setrawcookie(), as PHP has them: its rules, its words, and what goes into the header. */
final class SetCookie
{
    private const LATEST = 253402300799; // the last second of 9999

    /**
     * @param string               $function whose name errors bear
     * @param array<mixed>|int     $options  when it expires, or all that follows by name
     * @param list<mixed>          $more     path, domain, secure, httponly
     * @param int                  $given    how many arguments the function has got
     *
     * @return bool false once the head has been sent
     *
     * @throws \ValueError|\ArgumentCountError
     */
    public static function send(
        string $function,
        string $name,
        string $value,
        array|int $options,
        array $more,
        int $given,
    ): bool {
        $named = \is_array($options);
        if ($named && $given > 3) {
            throw new \ArgumentCountError("$function(): Expects exactly 3 arguments when argument #3 "
                . '($expires_or_options) is an array');
        }
        $options = $named
            ? self::named($function, $options)
            : \array_combine(['path', 'domain', 'secure', 'httponly'], $more) + ['expires' => $options];
        $expires = (int) ($options['expires'] ?? 0);
        $path = (string) ($options['path'] ?? '');
        $domain = (string) ($options['domain'] ?? '');
        if ($name === '') {
            throw new \ValueError("$function(): Argument #1 (\$name) cannot be empty");
        }
        self::refuse("=,; \t\r\n\013\014", $name, "$function(): Argument #1 (\$name)");
        if ($function === 'setrawcookie') {
            self::refuse(",; \t\r\n\013\014", $value, "$function(): Argument #2 (\$value)");
        } else {
            $value = \rawurlencode($value);
        }
        self::refuse(",; \t\r\n\013\014", $path, "$function(): \"path\" option");
        self::refuse(",; \t\r\n\013\014", $domain, "$function(): \"domain\" option");
        if ($expires > self::LATEST) {
            throw new \ValueError("$function(): \"expires\" option cannot have a year greater than 9999");
        }
        $text = self::text(
            $name, $value, $expires, $path, $domain,
            (bool) ($options['secure'] ?? false),
            (bool) ($options['httponly'] ?? false),
            (string) ($options['samesite'] ?? ''),
        );
        Head::field('Set-Cookie', $text, false);

        return !Head::isSent();
    }

    /** The value of a Set-Cookie header; an empty cookie is one that is to be forgotten. */
    public static function text(
        string $name,
        string $value,
        int $expires,
        string $path,
        string $domain,
        bool $secure,
        bool $httpOnly,
        string $sameSite,
    ): string {
        $text = "$name=$value";
        if ($value === '') {
            $text = "$name=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0";
        } elseif ($expires > 0) {
            $text .= '; expires=' . \gmdate('D, d M Y H:i:s \G\M\T', $expires)
                . '; Max-Age=' . \max(0, $expires - \time());
        }

        return $text
            . ($path !== '' ? "; path=$path" : '')
            . ($domain !== '' ? "; domain=$domain" : '')
            . ($secure ? '; secure' : '')
            . ($httpOnly ? '; HttpOnly' : '')
            . ($sameSite !== '' ? "; SameSite=$sameSite" : '');
    }

    /** @param array<mixed> $options @return array<string, mixed> */
    private static function named(string $function, array $options): array
    {
        $named = [];
        foreach ($options as $name => $value) {
            if (\is_int($name)) {
                throw new \ValueError("$function(): option array cannot have numeric keys");
            }
            $key = \strtolower($name);
            if (!\in_array($key, ['expires', 'path', 'domain', 'secure', 'httponly', 'samesite'], true)) {
                throw new \ValueError("$function(): option \"$name\" is invalid");
            }
            $named[$key] = $value;
        }

        return $named;
    }

    private static function refuse(string $characters, string $text, string $what): void
    {
        if (\strpbrk($text, $characters) !== false) {
            $shown = \str_contains($characters, '=') ? '"=", ' : '';
            $shown .= '",", ";", " ", "\t", "\r", "\n", "\013", or "\014"';
            throw new \ValueError("$what cannot contain $shown");
        }
    }
}
