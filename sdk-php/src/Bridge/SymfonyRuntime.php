<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\Runtime\RunnerInterface;
use Symfony\Component\Runtime\SymfonyRuntime as Base;
use WorkerHost\Worker;

/**
 * Runs the public/index.php of a Symfony application as it is, as a worker: its kernel is booted once, and answers as
 * under the Symfony bridge.
 *
 *     [pool.app]
 *     worker = "public/index.php"
 *     env = { APP_RUNTIME = "WorkerHost\\Bridge\\SymfonyRuntime" }
 *
 * What is no kernel, a console application say, runs as under Symfony's own runtime.
 */
final class SymfonyRuntime extends Base
{
    /** The runner of a kernel serves until the host says that it is enough, and returns 0. */
    public function getRunner(?object $application): RunnerInterface
    {
        if (!$application instanceof HttpKernelInterface) {
            return parent::getRunner($application);
        }

        return new class ($application) implements RunnerInterface {
            /** Takes what is to be served. */
            public function __construct(private readonly HttpKernelInterface $kernel)
            {
            }

            /** Serves until the host says that it is enough. */
            public function run(): int
            {
                Worker::create()->onRequest(Symfony::create($this->kernel))->run();

                return 0;
            }
        };
    }
}
