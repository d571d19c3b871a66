<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Tests\Support\FakeHost;

/** What Composer writes as vendor/autoload_runtime.php, with a front controller that knows nothing of this SDK. */
final class SymfonyRuntimeTest extends TestCase
{
    private const WORKER = <<<'PHP'
        use Symfony\Component\HttpFoundation as Http;
        require 'Symfony/Component/Runtime/autoload.php';
        require 'Symfony/Component/HttpKernel/autoload.php';
        final class Kernel implements Symfony\Component\HttpKernel\HttpKernelInterface {
            private int $handled = 0;
            public function __construct(private string $env) {}
            public function handle(Http\Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Http\Response {
                return new Http\Response("$this->env {$request->getPathInfo()} " . ++$this->handled);
            }
        }
        $app = static function (array $context): Kernel { return new Kernel($context['APP_ENV']); };
        $_SERVER['APP_ENV'] = 'prod';
        $runtime = new WorkerHost\Bridge\SymfonyRuntime(['disable_dotenv' => true, 'error_handler' => false]);
        [$app, $args] = $runtime->getResolver($app)->resolve();
        exit($runtime->getRunner($app(...$args))->run());
        PHP;

    public function testAFrontControllerRunsAsItIs(): void
    {
        if (stream_resolve_include_path('Symfony/Component/Runtime/autoload.php') === false) {
            self::markTestSkipped('php-symfony-runtime is not installed');
        }
        $host = FakeHost::serving(self::WORKER);
        self::assertSame('prod /a 1', $host->get('GET', '/a')->body);
        self::assertSame('prod /b 2', $host->get('GET', '/b')->body);
        $host->endInput();
        self::assertSame(0, $host->end());
    }
}
