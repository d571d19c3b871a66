<?php

declare(strict_types=1);

namespace App;

use WorkerHost\Http\{Request, Response};

/**
 * Finds the handler of a request. A `{name}` in a pattern is one segment of the path, and becomes an attribute of the
 * request.
 */
final class Router
{
    /** @var list<array{string, string, callable(Request): mixed}> method, regular expression, handler */
    private array $routes = [];

    /** @param callable(Request): mixed $handler */
    public function add(string $method, string $pattern, callable $handler): void
    {
        $regex = preg_replace('/\\\\{(\w+)\\\\}/', '(?<$1>[^/]+)', preg_quote($pattern, '#'));
        $this->routes[] = [$method, "#^$regex$#D", $handler];
    }

    public function __invoke(Request $request): mixed
    {
        // HEAD is a GET whose body the host leaves out.
        $method = $request->method === 'HEAD' ? 'GET' : $request->method;
        $allowed = [];
        foreach ($this->routes as [$verb, $regex, $handler]) {
            if (preg_match($regex, $request->path, $found) !== 1) {
                continue;
            }
            if ($verb === $method) {
                foreach (array_filter($found, is_string(...), ARRAY_FILTER_USE_KEY) as $name => $value) {
                    $request = $request->withAttribute($name, rawurldecode($value));
                }

                return $handler($request);
            }
            $allowed[] = $verb === 'GET' ? 'GET, HEAD' : $verb;
        }
        if ($allowed === []) {
            return self::error($request, 404, 'There is no such page.');
        }

        return self::error($request, 405, "$request->method is not for this page.")
            ->withHeader('Allow', implode(', ', $allowed));
    }

    private static function error(Request $request, int $status, string $message): Response
    {
        return str_starts_with($request->path, '/api/')
            ? Response::json(['error' => $message], $status)
            : Page::response('error', ['title' => (string) $status, 'message' => $message], $status);
    }
}
