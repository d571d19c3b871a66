<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Symfony\Component\EventDispatcher\EventDispatcherInterface;
use Symfony\Component\HttpFoundation\BinaryFileResponse;
use Symfony\Component\HttpFoundation\File\UploadedFile as SymfonyFile;
use Symfony\Component\HttpFoundation\Request as SymfonyRequest;
use Symfony\Component\HttpFoundation\Response as SymfonyResponse;
use Symfony\Component\HttpFoundation\StreamedResponse;
use Symfony\Component\HttpKernel\EventListener\StreamedResponseListener;
use Symfony\Component\HttpKernel\HttpKernel;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\KernelEvents;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\HttpKernel\TerminableInterface;
use Symfony\Component\Routing\Router;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Http\UploadedFile;
use WorkerHost\Internal\Form;
use WorkerHost\Internal\Printed;
use WorkerHost\Internal\Superglobals;
use WorkerHost\Internal\WebCode;

/**
 * Runs a Symfony kernel (5.4 and later) that is booted once.
 *
 *     Worker::create()->onRequest(Symfony::create(fn () => new App\Kernel('prod', false)))->run();
 *
 * When the client has its response the kernel's terminate() runs, then the services that keep state are reset.
 * Given to onRequest() it fills the superglobals, too, php://input aside; what the code prints comes before the body,
 * and header() and setcookie() add their fields, of which those of the response itself win.
 */
final class Symfony implements WebCode
{
    private ?HttpKernelInterface $kernel = null;
    /** PHP's own locale before the first request; each sets it to that of its visitor. */
    private static string $locale = '';

    /** @param HttpKernelInterface|callable(): HttpKernelInterface $source */
    private function __construct(private readonly mixed $source)
    {
    }

    /**
     * @param HttpKernelInterface|callable(): HttpKernelInterface $kernel a function makes the kernel when the worker
     *     starts
     */
    public static function create(HttpKernelInterface|callable $kernel): self
    {
        return new self($kernel);
    }

    /**
     * Makes the kernel, if a function makes it, boots it, and loads the routes. What they throw is a failed boot; so
     * is anything but a kernel (\TypeError).
     */
    public function start(): void
    {
        $kernel = $this->source instanceof HttpKernelInterface ? $this->source : ($this->source)();
        if (!$kernel instanceof HttpKernelInterface) {
            throw new \TypeError('The function given to Symfony::create() returned ' . \get_debug_type($kernel)
                . ', not an HttpKernelInterface');
        }
        if ($kernel instanceof KernelInterface) {
            $kernel->boot();
            self::keepStreams($kernel);
            self::loadRoutes($kernel);
        }
        $this->kernel = $kernel;
        self::$locale = (string) \ini_get('intl.default_locale');
    }

    /**
     * Answers a request with what the kernel returns for it. Once the client has that, the kernel is terminated and
     * its services are reset.
     */
    public function __invoke(Request $request): Response
    {
        if ($this->kernel === null) {
            $this->start();
        }
        $kernel = $this->kernel;
        $symfonyRequest = $this->request($request);
        try {
            try {
                $symfonyResponse = $kernel->handle($symfonyRequest);
            } catch (\Error $e) {
                $symfonyResponse = self::shown($e, $symfonyRequest, $kernel);
            }
            $response = $this->response($symfonyResponse);
        } catch (\Throwable $e) {
            self::reset($kernel);
            throw $e;
        }

        return $response->after(static function () use ($kernel, $symfonyRequest, $symfonyResponse): void {
            try {
                if ($kernel instanceof TerminableInterface) {
                    $kernel->terminate($symfonyRequest, $symfonyResponse);
                }
            } finally {
                self::reset($kernel);
            }
        });
    }

    /**
     * Has the services forget the request: Symfony's kernel does so when it is booted again, as it would be before the
     * next request, where it would forget that one's session as well.
     */
    private static function reset(HttpKernelInterface $kernel): void
    {
        try {
            if (\function_exists('session_status') && \session_status() === \PHP_SESSION_ACTIVE) {
                \session_write_close(); // Symfony's reset gives a session up that it has not begun itself
            }
        } finally {
            if ((string) \ini_get('intl.default_locale') !== self::$locale) {
                self::$locale === '' ? \ini_restore('intl.default_locale')
                    : \ini_set('intl.default_locale', self::$locale);
            }
            if ($kernel instanceof KernelInterface) {
                $kernel->boot();
            }
        }
    }

    /**
     * Symfony's page for an error. Until 6.2, and later where `handle_all_throwables` is off, its kernel handles
     * exceptions alone, and leaves errors to an exception handler, which PHP runs as the process ends. This is what
     * that does, by the same private method.
     *
     * @throws \Error if nobody has a page for it
     */
    private static function shown(\Error $e, SymfonyRequest $request, HttpKernelInterface $kernel): SymfonyResponse
    {
        if ($kernel instanceof KernelInterface && $kernel->getContainer()->has('http_kernel')) {
            $kernel = $kernel->getContainer()->get('http_kernel');
        }
        if (!$kernel instanceof HttpKernel) {
            throw $e;
        }

        return \Closure::bind(static function () use ($e, $request, $kernel): SymfonyResponse {
            $kernel->requestStack->push($request);
            try {
                return $kernel->handleThrowable($e, $request, HttpKernelInterface::MAIN_REQUEST);
            } finally {
                $kernel->requestStack->pop();
            }
        }, null, HttpKernel::class)();
    }

    /** Shuts the kernel down. */
    public function stop(): void
    {
        if ($this->kernel instanceof KernelInterface) {
            $this->kernel->shutdown();
        }
    }

    /**
     * The same request as Symfony's. Its content is read from the client when it is first asked for, except for a
     * urlencoded form.
     */
    public function request(Request $request): SymfonyRequest
    {
        return new SymfonyRequest(
            $request->query,
            $request->form,
            $request->attributes,
            Form::cookies($request->header('cookie')),
            Form::tree($request->files, $this->file(...)),
            Superglobals::server($request) + $_SERVER,
            $request->length === 0 ? '' : $request->stream(),
        );
    }

    /** @return SymfonyFile|array<string, mixed> */
    private function file(UploadedFile $file): SymfonyFile|array
    {
        if ($file->error !== \UPLOAD_ERR_OK) {
            // Symfony makes null of this, as it does of a field without a file under any other server.
            return ['name' => '', 'type' => '', 'tmp_name' => '', 'error' => $file->error, 'size' => 0];
        }

        // true: move() must not ask PHP whether the file was uploaded, because PHP never saw it.
        return new SymfonyFile($file->path, $file->fullPath, $file->type, $file->error, true);
    }

    /**
     * Symfony's response as one of this SDK's. What a StreamedResponse echoes is sent as it comes, in blocks of 16
     * KiB or at each flush().
     */
    public function response(SymfonyResponse $symfony): Response
    {
        $headers = $symfony->headers->allPreserveCaseWithoutCookies();
        foreach ($symfony->headers->getCookies() as $cookie) {
            $headers['Set-Cookie'][] = (string) $cookie;
        }
        $status = $symfony->getStatusCode();
        if ($symfony instanceof BinaryFileResponse) {
            $path = self::servable($symfony);
            if ($path !== null) {
                $file = Response::file($path, headers: $headers);
                foreach (['Content-Length', 'Content-Range', 'Accept-Ranges'] as $name) {
                    $file = $file->withoutHeader($name); // the host's business then
                }

                return $file;
            }
        }
        if ($symfony instanceof StreamedResponse || $symfony instanceof BinaryFileResponse) {
            $body = Printed::body($symfony->sendContent(...), (string) $symfony->headers->get('Content-Type'),
                (string) $symfony->headers->get('X-Accel-Buffering'));

            return Response::stream($body, $status)->withoutHeader('Content-Type')->withHeaders($headers);
        }

        return new Response($status, $headers, (string) $symfony->getContent());
    }

    /**
     * The file's path if the host can send it: it lies below the worker's directory, which is the pool's, and is to
     * stay where it is.
     */
    private static function servable(BinaryFileResponse $symfony): ?string
    {
        $path = $symfony->getFile()->getRealPath();
        $root = \getcwd();
        $temporary = (fn (): bool => $this->deleteFileAfterSend || ($this->tempFileObject ?? null) !== null)
            ->call($symfony);
        $whole = $symfony->getStatusCode() === 200
            || ($symfony->getStatusCode() === 206 && $symfony->headers->has('Content-Range'));
        if ($path === false || $root === false || $temporary || !$whole) {
            return null;
        }

        return \str_starts_with($path, \rtrim((string) \realpath($root), \DIRECTORY_SEPARATOR) . \DIRECTORY_SEPARATOR)
            ? $path : null;
    }

    /**
     * Up to Symfony 6.4 a listener echoes a StreamedResponse while handle() still runs. That would go to the log, and
     * the client would get nothing.
     */
    private static function keepStreams(KernelInterface $kernel): void
    {
        $container = $kernel->getContainer();
        $dispatcher = $container->has('event_dispatcher') ? $container->get('event_dispatcher') : null;
        if (!$dispatcher instanceof EventDispatcherInterface) {
            return;
        }
        foreach ($dispatcher->getListeners(KernelEvents::RESPONSE) as $listener) {
            if (\is_array($listener) && $listener[0] instanceof StreamedResponseListener) {
                $dispatcher->removeListener(KernelEvents::RESPONSE, $listener);
            }
        }
    }

    /** Symfony loads routes with the first request, when it is too late for what is wrong with them to fail a boot. */
    private static function loadRoutes(KernelInterface $kernel): void
    {
        $container = $kernel->getContainer();
        $router = $container->has('router') ? $container->get('router') : null;
        if ($router instanceof Router) {
            $router->getMatcher();
            $router->getGenerator();
        }
    }
}
