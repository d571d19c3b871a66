<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Illuminate\Container\Container;
use Illuminate\Contracts\Queue\Job as JobContract;
use Illuminate\Queue\Jobs\Job;
use Illuminate\Queue\ManuallyFailedException;
use WorkerHost\Internal\Acts;
use WorkerHost\Task;

/** A job of Laravel's that has come as a task: what LaravelQueue::pop() gives. */
final class LaravelJob extends Job implements JobContract
{
    /** What the job at hand has thrown. */
    private ?\Throwable $thrown = null;

    /** @param string $body as LaravelQueue has pushed it */
    public function __construct(Container $container, private readonly Task $task, private readonly string $body,
        string $connectionName)
    {
        $this->container = $container;
        $this->connectionName = $connectionName;
        $this->queue = $task->queue;
    }

    /** The task's id, which is the job's uuid. */
    public function getJobId()
    {
        return $this->task->id;
    }

    /** The job as Laravel has encoded it. */
    public function getRawBody()
    {
        return $this->body;
    }

    /** How often it was given out, from 1. */
    public function attempts()
    {
        return $this->task->attempt;
    }

    /** Runs it. If it throws, what it has dispatched and sent until then has not happened. */
    public function fire()
    {
        $acts = Acts::here()->current();
        $mark = $acts->mark();
        try {
            parent::fire();
        } catch (\Throwable $e) {
            $acts->rollback($mark);
            throw $this->thrown = $e;
        }
    }

    /** Has it come again as another attempt, after so many seconds. */
    public function release($delay = 0)
    {
        parent::release($delay);
        $this->task->release(\max(0, (int) $delay), $this->thrown ?? '');
    }

    /** Has it lie with the failed tasks, and tells its failed(). */
    public function fail($e = null)
    {
        if (!$this->isDeleted()) {
            $this->task->fail($e instanceof \Throwable ? $e : new ManuallyFailedException((string) $e));
        }
        parent::fail($e);
    }
}
