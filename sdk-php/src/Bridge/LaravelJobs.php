<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Illuminate\Contracts\Console\Kernel;
use Illuminate\Contracts\Container\Container;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Worker as LaravelWorker;
use Illuminate\Queue\WorkerOptions;
use WorkerHost\Task;
use WorkerHost\Worker;

/**
 * Runs the jobs that a Laravel application dispatches to LaravelQueue, as `queue:work` would, in a pool of the host's:
 *
 *     LaravelJobs::worker(fn () => require __DIR__ . '/bootstrap/app.php', ['default', 'emails'])->run();
 *
 * The application is booted once per worker, and Laravel's own queue worker runs each job: with its middleware,
 * events, `tries`, `maxExceptions`, `retryUntil`, `backoff`, release() and failed(). A job that names no `tries` has
 * the `attempts` of its `[queue.NAME]`. One that has failed lies with the failed tasks, with its exception, and with
 * Laravel's failed jobs, if config/queue.php has `failed`.
 */
final class LaravelJobs
{
    private Container $app;
    private LaravelWorker $worker;
    private WorkerOptions $options;

    /**
     * @param callable(): Container $bootstrap
     * @param list<int>             $backoff
     */
    private function __construct(private readonly mixed $bootstrap, private readonly string $connection,
        private readonly array $backoff)
    {
    }

    /**
     * A worker that runs the jobs of these queues. What booting the application throws is a failed boot.
     *
     * @param callable(): Container $bootstrap  makes the application: what bootstrap/app.php returns
     * @param list<string>          $queues     their names, in host.toml as in Laravel
     * @param string                $connection the name of LaravelQueue in config/queue.php
     * @param non-empty-list<int>   $backoff    seconds before the second attempt, the third and so on of a job that
     *     has thrown and names no `backoff`
     */
    public static function worker(callable $bootstrap, array $queues = ['default'], string $connection = 'workerhost',
        array $backoff = [1, 10, 60, 600]): Worker
    {
        $jobs = new self($bootstrap, $connection, $backoff);
        $worker = Worker::create()->onStart($jobs->boot(...));
        foreach ($queues as $queue) {
            $worker->onTask($queue, $jobs->run(...));
        }

        return $worker;
    }

    private function boot(): void
    {
        $this->app = $app = ($this->bootstrap)();
        $app->make(Kernel::class)->bootstrap();
        $this->queue(); // a connection that is not configured fails the boot
        $this->worker = $app->make('queue.worker');
        if ($app->bound('cache')) {
            $this->worker->setCache($app->make('cache')->driver());
        }
        $this->options = new WorkerOptions();
        $this->options->backoff = \implode(',', $this->backoff);
        $this->options->sleep = 0;
        if (\is_array($app->make('config')->get('queue.failed'))) {
            $app->make('events')->listen(JobFailed::class, function (JobFailed $event): void {
                $this->app->make('queue.failer')->log($event->connectionName, $event->job->getQueue(),
                    $event->job->getRawBody(), $event->exception);
            });
        }
    }

    private function run(Task $task): void
    {
        try {
            $this->queue()->take($task);
        } catch (\UnexpectedValueException $e) {
            $task->fail($e->getMessage());

            return;
        }
        $this->forget($task->queue);
        $this->options->maxTries = $task->attempts;
        $this->worker->runNextJob($this->connection, $task->queue, $this->options);
        if ($this->queue()->pop() !== null) { // by Worker::popUsing(), or since Laravel has the queue paused
            $task->release(5, 'Laravel did not want the job now');
        }
    }

    private function queue(): LaravelQueue
    {
        $queue = $this->app->make('queue')->connection($this->connection);

        return $queue instanceof LaravelQueue ? $queue : throw new \LogicException("the connection $this->connection "
            . 'of config/queue.php is ' . \get_debug_type($queue) . ", and no LaravelQueue: it needs 'driver' => "
            . "'workerhost', and Queue::extend('workerhost', fn () => LaravelQueue::connector()) in a provider");
    }

    /** Before each job, as queue:work does it: what the one before has left goes. */
    private function forget(string $queue): void
    {
        $this->app->make('events')->until(new Looping($this->connection, $queue));
        $lost = (function (): bool {
            if (isset($this->resetScope)) {
                ($this->resetScope)();
            }
            [$lost, $this->shouldQuit] = [$this->shouldQuit, false];

            return $lost;
        })->call($this->worker);
        if ($lost && $this->app->bound('db')) { // queue:work would end, and connect anew so
            foreach ($this->app->make('db')->getConnections() as $connection) {
                $connection->disconnect();
            }
        }
    }
}
