<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Http\Request;

/**
 * @internal $_SERVER, $_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST and php://input for code that reads them; emptied
 * after each request.
 */
final class Superglobals
{
    /** @var array<string, mixed> $_SERVER as it was before the first request */
    private readonly array $base;
    /** @var array<string, mixed> that, and what is the same for every request */
    private readonly array $template;
    /** @var array<string, string>|null */
    private static ?array $fixed = null;
    /** So many names of headers are remembered: browsers and proxies know far fewer. */
    private const MOST_KEYS = 256;
    /** @var array<array-key, string> key() of names that have come by now */
    private static array $keys = [];

    /** @param bool $input whether php://input is filled as well, for which the whole body has to come first */
    public function __construct(private readonly bool $input)
    {
        $this->base = $_SERVER;
        $this->template = self::fixed() + $_SERVER;
    }

    public function fill(Request $request): void
    {
        $_SERVER = self::server($request, $this->template);
        $message = $request->message();
        $_GET = $_SERVER['QUERY_STRING'] === '' ? [] : $request->query;
        $_POST = $request->method === 'POST' ? $request->form : [];
        $files = $message[12] === null ? [] : $request->files;
        $_FILES = $files === [] ? [] : Form::superglobal($files);
        $_COOKIE = isset($_SERVER['HTTP_COOKIE']) ? Form::cookies($_SERVER['HTTP_COOKIE']) : [];
        $_REQUEST = $_POST === [] ? $_GET : \array_merge($_GET, $_POST);
        Inputs::start($files);
        if ($this->input && $message[11] !== 0) {
            Input::start($request->source());
        }
        Session::start();
    }

    public function restore(): void
    {
        $_SERVER = $this->base;
        $_GET = $_POST = $_COOKIE = $_FILES = $_REQUEST = [];
        Inputs::end();
        Input::end();
    }

    /**
     * What a web server would put into $_SERVER for this request.
     *
     * @param array<string, mixed>|null $server what is there already, fixed() with it; null: nothing
     *
     * @return array<string, mixed>
     */
    public static function server(Request $request, ?array $server = null): array
    {
        $server ??= self::fixed();
        [, , , $method, $target, $version, $scheme, $host, $remote, $pairs, , , , , , , $local] = $request->message();
        $time = \microtime(true);
        $query = \strpos($target, '?');
        [$address, $port] = self::split($remote);
        [$name, $serverPort] = self::split($host);
        $server['REQUEST_METHOD'] = $method;
        $server['REQUEST_URI'] = $target;
        $server['QUERY_STRING'] = $query === false ? '' : \substr($target, $query + 1);
        $server['SERVER_PROTOCOL'] = 'HTTP/' . (\str_contains($version, '.') ? $version : "$version.0");
        $server['REQUEST_SCHEME'] = $scheme;
        $server['SERVER_NAME'] = \str_contains($name, ':') ? "[$name]" : $name;
        $server['SERVER_PORT'] = $serverPort !== '' ? $serverPort : ($scheme === 'https' ? '443' : '80');
        $server['SERVER_ADDR'] = self::split($local)[0];
        $server['REMOTE_ADDR'] = $address;
        $server['REMOTE_PORT'] = $port;
        $server['REQUEST_TIME'] = (int) $time;
        $server['REQUEST_TIME_FLOAT'] = $time;
        if ($scheme === 'https') {
            $server['HTTPS'] = 'on';
        }
        if (($client = $request->clientCertificate) !== null) { // by Apache's names
            $server['SSL_CLIENT_VERIFY'] = 'SUCCESS';
            $server['SSL_CLIENT_S_DN'] = $client['subject'];
            $server['SSL_CLIENT_I_DN'] = $client['issuer'];
            $server['SSL_CLIENT_M_SERIAL'] = $client['serial'];
            $server['SSL_CLIENT_CERT'] = $client['pem'];
        }
        $headers = $host === '' ? [] : ['HTTP_HOST' => $host];
        for ($i = 0, $count = \count($pairs); $i < $count; $i += 2) {
            $key = self::$keys[$pairs[$i]] ?? self::key($pairs[$i]);
            if ($key !== '') {
                $between = $key === 'HTTP_COOKIE' ? '; ' : ', ';
                $headers[$key] = isset($headers[$key]) ? $headers[$key] . $between . $pairs[$i + 1] : $pairs[$i + 1];
            }
        }
        foreach ($headers as $key => $value) {
            $server[$key] = $value;
        }
        $length = $request->length;
        if ($length !== null && $length > 0 && !isset($headers['CONTENT_LENGTH'])) {
            $server['CONTENT_LENGTH'] = (string) $length;
        }
        $authorization = $headers['HTTP_AUTHORIZATION'] ?? '';
        if (\strncasecmp($authorization, 'Basic ', 6) === 0) {
            [$user, $password] = \explode(':', (string) \base64_decode(\substr($authorization, 6), false),
                2) + [1 => ''];
            $server['PHP_AUTH_USER'] = $user;
            $server['PHP_AUTH_PW'] = $password;
        } elseif (\strncasecmp($authorization, 'Digest ', 7) === 0) {
            $server['PHP_AUTH_DIGEST'] = \substr($authorization, 7);
        }

        return $server;
    }

    /**
     * The name of a header in $_SERVER; '' if it has none there. "Proxy" would become HTTP_PROXY, which HTTP clients
     * take for their own setting; and a name with "_" could pass for another header.
     */
    private static function key(string $header): string
    {
        $name = \strtoupper($header);
        if ($name === 'PROXY' || \str_contains($name, '_')) {
            $key = '';
        } else {
            $name = \strtr($name, '-', '_');
            $key = $name === 'CONTENT_TYPE' || $name === 'CONTENT_LENGTH' ? $name : "HTTP_$name";
        }
        if (\count(self::$keys) < self::MOST_KEYS && \strlen($header) <= 64) {
            self::$keys[$header] = $key;
        }

        return $key;
    }

    /** @return array<string, string> what is the same for every request */
    private static function fixed(): array
    {
        if (self::$fixed !== null) {
            return self::$fixed;
        }
        $script = $_SERVER['SCRIPT_FILENAME'] ?? '';
        $script = \realpath($script) ?: $script;

        return self::$fixed = [
            'SCRIPT_NAME' => '/' . \basename($script),
            'SCRIPT_FILENAME' => $script,
            'PHP_SELF' => '/' . \basename($script),
            'DOCUMENT_ROOT' => \getenv('DOCUMENT_ROOT') ?: \dirname($script), // the host's public folder
            'GATEWAY_INTERFACE' => 'CGI/1.1',
            'SERVER_SOFTWARE' => 'workerhost',
        ];
    }

    /** @return array{string, string} address and port of `ip:port`, `[ip]:port` or a bare name */
    public static function split(string $address): array
    {
        $at = \strpos($address, ':');
        if ($at !== false && $address[0] !== '[' && \ctype_digit(\substr($address, $at + 1))) {
            return [\substr($address, 0, $at), \substr($address, $at + 1)];
        }
        if (\preg_match('/^\[(.*)\](?::(\d*))?$/D', $address, $match) === 1
            || \preg_match('/^([^:]*)(?::(\d*))?$/D', $address, $match) === 1) {
            return [$match[1], $match[2] ?? ''];
        }

        return [$address, ''];
    }
}
