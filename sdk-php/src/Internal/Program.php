<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Handler;
use WorkerHost\Http\Request;
use WorkerHost\Place;
use WorkerHost\Timer;

/** @internal What a worker is made of: Worker fills it in, Loop runs it. */
final class Program
{
    /** @var list<callable(): mixed> */
    public array $starters = [];
    /** @var list<callable(): mixed> */
    public array $beginners = [];
    /** @var list<callable(): mixed> */
    public array $stoppers = [];
    /** @var (callable(Request): mixed)|null */
    public $handler = null;
    /** @var (callable(Request, string): mixed)|null */
    public $fetchFailed = null;
    public bool $wantsGlobals = false;
    /** Whether php://input is filled with them. */
    public bool $wantsInput = false;
    public bool $capture = false;
    public ?Timers $timers = null;
    /** How many requests and events may be at hand at once. */
    public int $concurrency = 1;
    /** @var (\Closure(): void)|null what is told of a new timer */
    public ?\Closure $armed = null;
    /** What to say of a process that ends of its own accord before it is ready. */
    public string $unready = 'the code called exit() before the worker was ready';
    /** Set once the host has said it. */
    public ?Place $place = null;
    public readonly Acts $acts;
    public readonly Events $events;

    public function __construct()
    {
        $this->acts = new Acts();
        $this->events = new Events($this->acts, Process::endChild(...));
    }

    /** Whether it would do nothing at all. */
    public function isEmpty(): bool
    {
        return $this->handler === null && $this->events->features() === [] && $this->events->tasks === []
            && $this->timers === null;
    }

    /** Arranges for a function to run later. */
    public function timer(float $seconds, callable $function, bool $again): Timer
    {
        $timer = ($this->timers ??= new Timers())->add($seconds, $function, $again);
        if ($this->armed !== null) {
            ($this->armed)();
        }

        return $timer;
    }

    /** @throws \Error if several requests at once could not be kept apart */
    public function check(): void
    {
        if ($this->concurrency > 1 && ($what = match (true) {
            $this->handler instanceof WebCode => 'the bridge ' . $this->handler::class . ', since the services of a '
                . 'framework keep the user and the request in them',
            $this->capture => 'superglobals(capture: true), since what PHP prints is the response of whichever '
                . 'request is at hand',
            $this->wantsGlobals => 'superglobals(), since there is one $_GET, $_POST and $_SERVER in a process: use '
                . 'the Request',
            default => null,
        }) !== null) {
            throw new \Error("concurrency({$this->concurrency}) does not go with $what. Leave concurrency() out and "
                . 'write more workers, or have what waits done by another pool, by a route');
        }
    }

    /** What the code prints is, or is part of, the response, so code that asks who reads it is told: a browser. */
    public function capture(): void
    {
        $this->wantsGlobals = $this->capture = true;
        $_SERVER['VAR_DUMPER_FORMAT'] ??= 'html'; // dump() of Symfony and Laravel goes by PHP_SAPI otherwise
    }

    /** Before READY: once per process, or per template. What throws is a failed boot. */
    public function start(): void
    {
        foreach ($this->starters as $function) {
            $function();
        }
        if ($this->handler instanceof Handler) {
            $this->handler->start();
        }
    }

    /** Right before READY, once in each worker, forked or not. What throws is a failed boot. */
    public function begin(): void
    {
        foreach ($this->beginners as $function) {
            $function();
        }
    }

    /** At the end, in good order. */
    public function stop(): void
    {
        if ($this->handler instanceof Handler) {
            $this->handler->stop();
        }
        foreach ($this->stoppers as $function) {
            $function();
        }
    }

    /** What answers requests, those whose fetch has failed included. @return (callable(Request): mixed)|null */
    public function answers(): ?callable
    {
        return $this->fetchFailed === null ? $this->handler : Fetches::around($this->handler, $this->fetchFailed);
    }

    /** READY's queues (SPEC.md §18.1), if there are any. @return array{}|array{list<string>} */
    public function queues(): array
    {
        return $this->events->tasks === [] ? [] : [\array_map(\strval(...), \array_keys($this->events->tasks))];
    }

    /** What READY says of it (SPEC.md §3.3). @return list<string> */
    public function features(): array
    {
        $features = ['forms', ...$this->concurrency === 1 ? ['ahead'] : [], 'deadline', Pieces::FEATURE,
            ...$this->events->features()];
        if ($this->wantsGlobals) {
            $features[] = 'local'; // for SERVER_ADDR
        }
        if ($this->fetchFailed !== null) {
            $features[] = Fetches::FAILED;
        }
        if (Upgrade::$version > 0) {
            $features[] = Upgrade::FEATURE;
        }
        if (Backtrace::answers()) {
            $features[] = Backtrace::FEATURE;
        }

        return $features;
    }
}
