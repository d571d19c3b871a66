<?php

declare(strict_types=1);

namespace App;

use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Queue\Events\{JobExceptionOccurred, JobFailed, JobProcessed, JobProcessing};
use Illuminate\Queue\Failed\NullFailedJobProvider;
use Illuminate\Support\Facades\{Artisan, Event, Queue, Route};
use Illuminate\Support\ServiceProvider;
use WorkerHost\Bridge\LaravelQueue;
use WorkerHost\Internal\Signed;
use WorkerHost\Tasks;

/** The routes, the queue, and notes of what happens in the file "done". */
final class Provider extends ServiceProvider
{
    public static function note(string $line): void
    {
        file_put_contents(base_path('done'), "$line\n", FILE_APPEND | LOCK_EX);
    }

    public function boot(): void
    {
        Queue::extend('workerhost', static fn () => LaravelQueue::connector());
        $events = [JobProcessing::class, JobProcessed::class, JobExceptionOccurred::class, JobFailed::class];
        foreach ($events as $event) {
            Event::listen($event, static fn ($e) => self::note(
                class_basename($e) . ':' . $e->job->resolveName() . ':' . $e->job->attempts()));
        }
        $this->callAfterResolving(Schedule::class, static fn ($schedule) =>
            $schedule->job(new Job('scheduled'))->everyMinute());
        $this->app->singleton('queue.failer', static fn () => new class () extends NullFailedJobProvider {
            public function log($connection, $queue, $payload, $exception)
            {
                Provider::note("failer:$connection:$queue:" . $exception->getMessage());
            }
        });
        Route::get('/{does}', static function (string $does) {
            $job = new Job($does);
            match ($does) {
                'delayed' => dispatch($job->delay(1)),
                'throws' => dispatch($job->onQueue('emails')),
                'chained' => Job::withChain([new Job('last')])->dispatch('chained'),
                'closure' => dispatch(static fn () => Provider::note('closure')),
                'scheduled' => Artisan::call('schedule:run'),
                'forged' => self::forge(),
                default => dispatch($job),
            };

            return $does;
        });
    }

    /** Pushes what runs if anybody runs it: unsigned, signed with another key, for another queue, and another id. */
    private static function forge(): void
    {
        $payload = ['laravel' => json_encode(['job' => Job::class . '@forged', 'data' => [], 'uuid' => 'u'])];
        $key = config('app.key');
        foreach ([
            'unsigned' => $payload,
            'otherkey' => Signed::seal('base64:b3RoZXI=', 'default', 'otherkey', $payload),
            'otherqueue' => Signed::seal($key, 'emails', 'otherqueue', $payload),
            'otherid' => Signed::seal($key, 'default', 'another', $payload),
            'right' => Signed::seal($key, 'default', 'right', $payload),
        ] as $id => $all) {
            Tasks::here()->push('default', $all, id: $id);
        }
    }
}
