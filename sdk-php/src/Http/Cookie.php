<?php

declare(strict_types=1);

namespace WorkerHost\Http;

use WorkerHost\Internal\Headers;

/** A cookie for a response: what goes into a Set-Cookie header (RFC 6265 §4.1). */
final class Cookie
{
    /**
     * @param string                             $value       any text; it is percent-encoded
     * @param int|null                           $maxAge      seconds from now; 0 or less removes the cookie; null and
     *     no $expires: until the browser closes
     * @param \DateTimeInterface|int|null        $expires     a time, or seconds since 1970
     * @param string                             $domain      '' means this host alone
     * @param 'Strict'|'Lax'|'None'|''           $sameSite    '' leaves it to the browser
     */
    public function __construct(
        public readonly string $name,
        public readonly string $value = '',
        public readonly ?int $maxAge = null,
        public readonly \DateTimeInterface|int|null $expires = null,
        public readonly string $path = '/',
        public readonly string $domain = '',
        public readonly bool $secure = false,
        public readonly bool $httpOnly = true,
        public readonly string $sameSite = 'Lax',
        public readonly bool $partitioned = false,
    ) {
        Headers::check($name, '');
        foreach (['path' => $path, 'domain' => $domain] as $attribute => $text) {
            if (\preg_match('/[\x00-\x1f\x7f;]/', $text) === 1) {
                throw new \ValueError("The $attribute of cookie $name holds a semicolon or a control character");
            }
        }
        if (!\in_array($sameSite, ['Strict', 'Lax', 'None', ''], true)) {
            throw new \ValueError("SameSite of cookie $name is Strict, Lax, None or empty; this is '$sameSite'");
        }
        if (!$secure && ($sameSite === 'None' || $partitioned)) {
            throw new \ValueError("Browsers refuse cookie $name: SameSite=None and Partitioned need secure: true");
        }
    }

    /** The value of its Set-Cookie header. */
    public function __toString(): string
    {
        $text = $this->name . '=' . \rawurlencode($this->value);
        if ($this->expires !== null) {
            $time = $this->expires instanceof \DateTimeInterface ? $this->expires->getTimestamp() : $this->expires;
            $text .= '; Expires=' . \gmdate('D, d M Y H:i:s \G\M\T', $time);
        }
        if ($this->maxAge !== null) {
            $text .= '; Max-Age=' . \max(0, $this->maxAge);
        }

        return $text
            . ($this->path !== '' ? "; Path={$this->path}" : '')
            . ($this->domain !== '' ? "; Domain={$this->domain}" : '')
            . ($this->secure ? '; Secure' : '')
            . ($this->httpOnly ? '; HttpOnly' : '')
            . ($this->sameSite !== '' ? "; SameSite={$this->sameSite}" : '')
            . ($this->partitioned ? '; Partitioned' : '');
    }

    /**
     * Reads a Cookie header. Of two cookies with one name the first is taken, as PHP does: it is the one with the
     * longer path.
     *
     * @return array<array-key, string>
     */
    public static function parse(string $header): array
    {
        $cookies = [];
        foreach ($header === '' ? [] : \explode(';', $header) as $pair) {
            [$name, $value] = \explode('=', $pair, 2) + [1 => ''];
            $name = \trim($name);
            if ($name !== '' && !isset($cookies[$name])) {
                $cookies[$name] = \rawurldecode(\trim($value, " \t\""));
            }
        }

        return $cookies;
    }
}
