<?php

declare(strict_types=1);

namespace App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;

final class Job implements ShouldQueue
{
    use Dispatchable;
    use InteractsWithQueue;
    use Queueable;

    public ?int $tries = null;
    public ?array $backoff = null;

    public function __construct(public string $does = '')
    {
        if ($does === 'throws') {
            [$this->tries, $this->backoff] = [3, [0, 1]];
        }
    }

    public function handle(): void
    {
        if ($this->does === 'throws' || $this->does === 'patient') {
            dispatch(new self('undone'));
            throw new \RuntimeException("attempt {$this->attempts()} of $this->does");
        }
        if ($this->does === 'released' && $this->attempts() < 2) {
            $this->release(0);

            return;
        }
        if ($this->does === 'dies' && $this->attempts() === 1) {
            posix_kill(getmypid(), SIGKILL);
        }
        if ($this->does === 'gives-up') {
            $this->fail(new \DomainException('there is no such user'));

            return;
        }
        Provider::note("handled:$this->does:{$this->attempts()}");
    }

    public function failed(\Throwable $e): void
    {
        Provider::note("failed:$this->does:" . $e->getMessage());
        dispatch(new self("after-$this->does"));
    }

    /** What a payload that is no object runs. */
    public function forged($job): void
    {
        Provider::note('forged:' . $job->getJobId());
    }
}
