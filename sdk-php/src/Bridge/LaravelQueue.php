<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Illuminate\Contracts\Queue\Queue as QueueContract;
use Illuminate\Queue\Connectors\ConnectorInterface;
use Illuminate\Queue\Queue;
use WorkerHost\Internal\Signed;
use WorkerHost\Task;
use WorkerHost\Tasks;

/**
 * The host's tasks as a queue of Laravel's. In a service provider's boot():
 *
 *     Queue::extend('workerhost', fn () => LaravelQueue::connector());
 *
 * and in config/queue.php, beside QUEUE_CONNECTION=workerhost:
 *
 *     'workerhost' => ['driver' => 'workerhost', 'queue' => 'default', 'after_commit' => false],
 *
 * Each queue that jobs are dispatched to is a `[queue.NAME]` of host.toml, and LaravelJobs runs them. A job is
 * dispatched when the request or the job at hand is done, together with all else that it dispatches and sends; with
 * `'now' => true` at once. Jobs are signed with the application's key: others are not run.
 */
final class LaravelQueue extends Queue implements QueueContract
{
    /** What the host has given to this worker. */
    private ?LaravelJob $job = null;

    /**
     * @param string    $default     the queue of jobs that name none
     * @param bool      $now         whether a job is on disk when its dispatch() returns, whatever happens then
     * @param bool|null $afterCommit whether dispatch() waits for the database's transaction to be committed
     */
    public function __construct(private readonly string $default = 'default', private readonly bool $now = false,
        ?bool $afterCommit = null)
    {
        $this->dispatchAfterCommit = $afterCommit;
    }

    /** For Queue::extend(). */
    public static function connector(): ConnectorInterface
    {
        return new class () implements ConnectorInterface {
            /** @param array{queue?: string, now?: bool, after_commit?: bool|null} $config of config/queue.php */
            public function connect(array $config)
            {
                return new LaravelQueue($config['queue'] ?? 'default', $config['now'] ?? false,
                    $config['after_commit'] ?? null);
            }
        };
    }

    /**
     * Dispatches a job. Its id is its uuid.
     *
     * @throws \WorkerHost\CallFailed with `'now' => true`, as Tasks::push() does
     */
    public function push($job, $data = '', $queue = null)
    {
        return $this->later(0, $job, $data, $queue);
    }

    /** Dispatches a job that is to begin so many seconds later, or then. */
    public function later($delay, $job, $data = '', $queue = null)
    {
        $payload = $this->createPayload($job, $this->name($queue), $data, $delay ?: null); // since Laravel 11 in it

        return $this->enqueueUsing($job, $payload, $queue, $delay,
            fn ($payload, $queue, $delay) => $this->pushRaw($payload, $queue, ['delay' => $delay]));
    }

    /**
     * Dispatches what Laravel has encoded.
     *
     * @param array{delay?: \DateTimeInterface|\DateInterval|int} $options
     */
    public function pushRaw($payload, $queue = null, array $options = [])
    {
        $queue = $this->name($queue);
        $id = (string) (\json_decode($payload, true)['uuid'] ?? \bin2hex(\random_bytes(12)));
        $signed = Signed::seal($this->keys()[0], $queue, $id, ['laravel' => $payload]);

        return Tasks::here()->push($queue, $signed, \max(0, $this->secondsUntil($options['delay'] ?? 0)), $id,
            now: $this->now);
    }

    /**
     * Takes what the host has given to this worker: the next pop() gives it, once.
     *
     * @throws \UnexpectedValueException if it is not signed with the application's key
     */
    public function take(Task $task): void
    {
        $payload = Signed::open($this->keys(), $task);
        if (!\is_string($payload['laravel'] ?? null)) {
            throw new \UnexpectedValueException('it is no job that was signed with this application\'s key for this '
                . 'queue and id, so it is not run: if APP_KEY has changed, name the old one in app.previous_keys, and '
                . '`host tasks retry` it');
        }
        $this->job = new LaravelJob($this->container, $task, $payload['laravel'], $this->connectionName);
    }

    /** The job that the host has given to this worker, if it was not taken yet: LaravelJobs calls it. */
    public function pop($queue = null)
    {
        [$job, $this->job] = [$this->job, null];

        return $job;
    }

    /** @throws \LogicException always: the host has the figures */
    public function size($queue = null)
    {
        throw new \LogicException('`host tasks` and /metrics say how many jobs a queue has; a worker does not know');
    }

    /** As size(); what Laravel asks for since 13. */
    public function pendingSize($queue = null)
    {
        return $this->size($queue);
    }

    /** As size(). */
    public function delayedSize($queue = null)
    {
        return $this->size($queue);
    }

    /** As size(). */
    public function reservedSize($queue = null)
    {
        return $this->size($queue);
    }

    /** As size(). */
    public function creationTimeOfOldestPendingJob($queue = null)
    {
        return $this->size($queue);
    }

    private function name(?string $queue): string
    {
        return $queue === null || $queue === '' ? $this->default : $queue;
    }

    /** @return non-empty-list<string> the application's key, and those that it had before */
    private function keys(): array
    {
        $config = $this->container->make('config');

        return [(string) $config->get('app.key'), ...\array_filter((array) $config->get('app.previous_keys'))];
    }
}
