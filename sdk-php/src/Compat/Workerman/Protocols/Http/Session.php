<?php

declare(strict_types=1);

namespace Workerman\Protocols\Http;

use Workerman\Protocols\Http\Session\FileSessionHandler;
use Workerman\Protocols\Http\Session\SessionHandlerInterface;

/** The session of a browser: $request->session(). It is written when the request is done with it. */
class Session
{
    public static string $name = 'PHPSID';
    public static bool $autoUpdateTimestamp = false;
    public static int $lifetime = 1440;
    /** Seconds; 0 is until the browser is closed. */
    public static int $cookieLifetime = 0;
    public static string $cookiePath = '/';
    public static string $domain = '';
    public static bool $secure = false;
    public static bool $httpOnly = true;
    public static string $sameSite = '';
    /** @var array{int, int} */
    public static array $gcProbability = [1, 20000];

    /** @var class-string<SessionHandlerInterface|\SessionHandlerInterface> */
    protected static string $handlerClass = FileSessionHandler::class;
    protected static mixed $handlerConfig = null;
    protected static SessionHandlerInterface|\SessionHandlerInterface|null $handler = null;

    /** @var array<mixed> */
    protected array $data = [];
    protected bool $needSave = false;

    public function __construct(protected string $sessionId)
    {
        if (static::$handler === null) {
            static::$handler = static::$handlerConfig === null ? new static::$handlerClass()
                : new static::$handlerClass(static::$handlerConfig);
        }
        $found = (string) static::$handler->read($sessionId);
        if ($found !== '') {
            $data = \unserialize($found, ['allowed_classes' => false]);
            $this->data = \is_array($data) ? $data : [];
        }
    }

    public function getId(): string
    {
        return $this->sessionId;
    }

    public function get(string $name, mixed $default = null): mixed
    {
        return $this->data[$name] ?? $default;
    }

    public function set(string $name, mixed $value): void
    {
        $this->data[$name] = $value;
        $this->needSave = true;
    }

    public function delete(string $name): void
    {
        unset($this->data[$name]);
        $this->needSave = true;
    }

    public function pull(string $name, mixed $default = null): mixed
    {
        $value = $this->get($name, $default);
        $this->delete($name);

        return $value;
    }

    /** @param array<string, mixed>|string $key */
    public function put(array|string $key, mixed $value = null): void
    {
        foreach (\is_array($key) ? $key : [$key => $value] as $name => $one) {
            $this->set((string) $name, $one);
        }
    }

    /** @param array<string>|string $name */
    public function forget(array|string $name): void
    {
        foreach ((array) $name as $one) {
            $this->delete($one);
        }
    }

    /** @return array<mixed> */
    public function all(): array
    {
        return $this->data;
    }

    public function flush(): void
    {
        $this->data = [];
        $this->needSave = true;
    }

    public function has(string $name): bool
    {
        return isset($this->data[$name]);
    }

    public function exists(string $name): bool
    {
        return \array_key_exists($name, $this->data);
    }

    public function save(): void
    {
        if ($this->needSave) {
            $this->data === [] ? static::$handler->destroy($this->sessionId)
                : static::$handler->write($this->sessionId, \serialize($this->data));
        } elseif (static::$autoUpdateTimestamp) {
            $this->refresh();
        }
        $this->needSave = false;
    }

    public function refresh(): bool
    {
        return static::$handler->updateTimestamp($this->sessionId, \serialize($this->data));
    }

    public function gc(): void
    {
        static::$handler->gc(static::$lifetime);
    }

    /** Takes what php.ini says of sessions and of their cookies, as Workerman does when it loads the class. */
    public static function init(): void
    {
        if ((int) \ini_get('session.gc_probability') > 0 && (int) \ini_get('session.gc_divisor') > 0) {
            static::$gcProbability = [(int) \ini_get('session.gc_probability'), (int) \ini_get('session.gc_divisor')];
        }
        static::$lifetime = (int) \ini_get('session.gc_maxlifetime') ?: static::$lifetime;
        $cookie = \session_get_cookie_params();
        static::$cookieLifetime = $cookie['lifetime'];
        static::$cookiePath = $cookie['path'];
        static::$domain = $cookie['domain'];
        static::$secure = $cookie['secure'];
        static::$httpOnly = $cookie['httponly'];
    }

    /** @param class-string<SessionHandlerInterface|\SessionHandlerInterface>|null $className */
    public static function handlerClass(mixed $className = null, mixed $config = null): string
    {
        if ($className !== null && $className !== '') {
            static::$handlerClass = $className;
            static::$handler = null;
        }
        if ($config !== null && $config !== []) {
            static::$handlerConfig = $config;
            static::$handler = null;
        }

        return static::$handlerClass;
    }

    /** @return array<string, mixed> */
    public static function getCookieParams(): array
    {
        return ['lifetime' => static::$cookieLifetime, 'path' => static::$cookiePath, 'domain' => static::$domain,
            'secure' => static::$secure, 'httponly' => static::$httpOnly, 'samesite' => static::$sameSite];
    }

    public function __destruct()
    {
        $this->save();
        if (\random_int(1, static::$gcProbability[1]) <= static::$gcProbability[0]) {
            $this->gc();
        }
    }
}

Session::init();
