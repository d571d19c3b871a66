<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Illuminate\Foundation\Application;
use Illuminate\Http\Request;
use Laravel\Octane\ApplicationFactory;
use Laravel\Octane\Contracts\Client;
use Laravel\Octane\Octane as LaravelOctane;
use Laravel\Octane\OctaneResponse;
use Laravel\Octane\RequestContext;
use Laravel\Octane\Worker;
use Symfony\Component\HttpFoundation\Response;
use WorkerHost\Internal\Franken;
use WorkerHost\Internal\Timers;
use WorkerHost\RequestCancelled;

/**
 * Runs a Laravel application by Octane 1 or 2, from a worker script with `api = "frankenphp"`:
 *
 *     $octane = Octane::boot(__DIR__);
 *     while (frankenphp_handle_request($octane->handle(...))) {
 *     }
 *     $octane->terminate();
 *
 * Octane resets what a request has left, as `config/octane.php` says; its ticks run each second in the worker of the
 * pool's first slot.
 */
final class Octane
{
    /** @param Client $client with what the response at hand has been cut by */
    private function __construct(private readonly Worker $worker, private readonly Client $client)
    {
    }

    /**
     * Boots the application, once and before the worker is ready. What it throws is a failed boot, which the host is
     * told, and ends the process.
     *
     * @param string $basePath the project's folder, which holds bootstrap/app.php and vendor
     */
    public static function boot(string $basePath): self
    {
        $_SERVER['APP_BASE_PATH'] = $_ENV['APP_BASE_PATH'] = $basePath;
        $_SERVER['LARAVEL_OCTANE'] = $_ENV['LARAVEL_OCTANE'] = '1'; // packages ask for it
        try {
            $bootstrap = "$basePath/vendor/laravel/octane/bin/bootstrap.php";
            if (!\is_file($bootstrap)) {
                throw new \RuntimeException("$bootstrap is missing: run composer install, or composer require "
                    . 'laravel/octane');
            }
            require $bootstrap; // Composer's autoloader, and a dd() that does not exit()
            $client = self::client();
            $worker = new Worker(new ApplicationFactory($basePath), $client);
            $worker->boot();
            $program = Franken::program();
            if ($program->place->slot === 0 && $worker->application()->make('config')->get('octane.tick', true)) {
                ($program->timers ??= new Timers())->add(1.0, $worker->handleTick(...), true);
            }
        } catch (\Throwable $e) {
            Franken::refuse($e); // Laravel's exception handler would print a page for it
        }

        return new self($worker, $client);
    }

    /** Answers the request that is in the superglobals. What breaks a response off half-way, it throws. */
    public function handle(): void
    {
        $context = new RequestContext();
        [$request] = $this->client->marshalRequest($context);
        $this->worker->handle($request, $context);
        $cut = $this->client->cut;
        $this->client->cut = null;
        if ($cut !== null) {
            throw $cut;
        }
    }

    /** Has Octane say that the worker stops. */
    public function terminate(): void
    {
        $this->worker->terminate();
    }

    /** The class needs Octane's interface, which is there once Composer's autoloader is. */
    private static function client(): Client
    {
        return new class () implements Client {
            /** What has ended the response before its end. */
            public ?\Throwable $cut = null;

            /** @return array{Request, RequestContext} as Laravel's public/index.php makes it */
            public function marshalRequest(RequestContext $context): array
            {
                return [Request::capture(), $context];
            }

            /** Sends what was printed, dump() included, and then the response. */
            public function respond(RequestContext $context, OctaneResponse $octaneResponse): void
            {
                $response = $octaneResponse->response;
                try {
                    if ((string) $octaneResponse->outputBuffer !== '') {
                        $response->headers->remove('Content-Length');
                        echo $octaneResponse->outputBuffer;
                    }
                    $response->send();
                } catch (\Throwable $e) {
                    $this->cut = $e;
                    if (!$e instanceof RequestCancelled) {
                        throw $e; // for Laravel to report
                    }
                }
            }

            /** Sends what Octane has for an exception that Laravel's kernel let pass. */
            public function error(\Throwable $e, Application $app, Request $request, RequestContext $context): void
            {
                if ($this->cut === null) {
                    $debug = (bool) $app->make('config')->get('app.debug');
                    $text = LaravelOctane::formatExceptionForClient($e, $debug);
                    (new Response($text, 500, ['Content-Type' => 'text/plain']))->send();
                }
            }
        };
    }
}
