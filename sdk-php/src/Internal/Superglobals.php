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

    public function __construct()
    {
        $this->base = $_SERVER;
    }

    public function fill(Request $request): void
    {
        $_GET = $request->query;
        $_POST = $request->method === 'POST' ? $request->form : [];
        $_FILES = Form::superglobal($request->files);
        $_COOKIE = Form::cookies($request->header('cookie'));
        $_REQUEST = \array_merge($_GET, $_POST);
        $_SERVER = self::server($request) + $this->base;
        Inputs::start($request);
        if ($request->length !== 0) {
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
     * @return array<string, mixed>
     */
    public static function server(Request $request): array
    {
        $time = \microtime(true);
        [$address, $port] = self::split($request->remoteAddress);
        [$name, $serverPort] = self::split($request->host);
        $script = $_SERVER['SCRIPT_FILENAME'] ?? '';
        $script = \realpath($script) ?: $script;
        $version = $request->protocolVersion;
        $server = [
            'REQUEST_METHOD' => $request->method,
            'REQUEST_URI' => $request->target,
            'QUERY_STRING' => $request->queryString,
            'SERVER_PROTOCOL' => 'HTTP/' . (\str_contains($version, '.') ? $version : "$version.0"),
            'REQUEST_SCHEME' => $request->scheme,
            'SERVER_NAME' => \str_contains($name, ':') ? "[$name]" : $name,
            'SERVER_PORT' => $serverPort !== '' ? $serverPort : ($request->scheme === 'https' ? '443' : '80'),
            'SERVER_ADDR' => self::split($request->localAddress)[0],
            'REMOTE_ADDR' => $address,
            'REMOTE_PORT' => $port,
            'REQUEST_TIME' => (int) $time,
            'REQUEST_TIME_FLOAT' => $time,
            'SCRIPT_NAME' => '/' . \basename($script),
            'SCRIPT_FILENAME' => $script,
            'PHP_SELF' => '/' . \basename($script),
            'DOCUMENT_ROOT' => \getenv('DOCUMENT_ROOT') ?: \dirname($script), // the host's public folder
            'GATEWAY_INTERFACE' => 'CGI/1.1',
            'SERVER_SOFTWARE' => 'workerhost',
        ];
        if ($request->scheme === 'https') {
            $server['HTTPS'] = 'on';
        }
        foreach ($request->headers as $header => $values) {
            // "Proxy" would become HTTP_PROXY, which HTTP clients take for their own setting; and a name with "_"
            // could pass for another header.
            $header = (string) $header;
            if ($header === 'proxy' || \str_contains($header, '_')) {
                continue;
            }
            $key = \strtoupper(\strtr($header, '-', '_'));
            $key = $key === 'CONTENT_TYPE' || $key === 'CONTENT_LENGTH' ? $key : "HTTP_$key";
            $server[$key] = \implode($header === 'cookie' ? '; ' : ', ', $values);
        }
        if ($request->length !== null && !isset($server['CONTENT_LENGTH']) && $request->length > 0) {
            $server['CONTENT_LENGTH'] = (string) $request->length;
        }
        $authorization = $request->header('authorization');
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

    /** @return array{string, string} address and port of `ip:port`, `[ip]:port` or a bare name */
    public static function split(string $address): array
    {
        if (\preg_match('/^\[(.*)\](?::(\d*))?$/D', $address, $match) === 1
            || \preg_match('/^([^:]*)(?::(\d*))?$/D', $address, $match) === 1) {
            return [$match[1], $match[2] ?? ''];
        }

        return [$address, ''];
    }
}
