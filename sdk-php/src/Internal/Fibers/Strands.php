<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Backtrace;
use WorkerHost\Internal\Events;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Link;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Printed;
use WorkerHost\Internal\Program;
use WorkerHost\Log;
use WorkerHost\Timer;

/**
 * @internal A worker of many: what comes off the link goes to the strand that it is for, and each REQUEST and event
 *     begins in one.
 */
final class Strands
{
    /** So many strands are kept for what comes next. */
    private const MOST_IDLE = 1024;
    /** So many are made where none is idle. */
    private const AT_ONCE = 16;
    /** For how many nanoseconds answers may wait for others, to go out in one write. */
    private const GATHERING = 1_000_000;

    /** Whose code has called exit(). */
    public ?Strand $culprit = null;
    /** @var array<int, Strand> by stream */
    private array $busy = [];
    /** @var list<Strand> */
    private array $idle = [];
    /** @var array<int, list<list<mixed>>> by stream: what came while none could begin, and what came behind it */
    private array $arrived = [];
    /** @var array<int, Timer> those that run */
    private array $ticking = [];
    private readonly Calls $calls;
    private readonly Reactor $reactor;
    private readonly bool $lends;
    private bool $receiving = false;
    private bool $over = false;
    private ?\Throwable $error = null;
    /** When the pipe was looked into last. */
    private int $looked = 0;
    private string $watch = '';
    private string $alarm = '';
    /** Whether tick() is about to run. */
    private bool $arming = false;

    /**
     * @param \Closure(Strand): void $equip  gives a strand its acts and requests
     * @param \Closure(Strand): Events $events makes its events
     * @param \Closure(): void       $flush  sends what was left in output buffers to the log
     * @param \Closure(): void       $settle runs when a request or an event is done
     */
    public function __construct(
        public readonly Link $link,
        private readonly Program $program,
        private readonly \Closure $equip,
        private readonly \Closure $events,
        private readonly \Closure $flush,
        private readonly \Closure $settle,
    ) {
        $this->calls = new Calls($this);
        $this->reactor = Scheduler::reactor();
        $this->lends = $this->reactor->lends();
    }

    /** From READY to the end: until the host says that it is enough, and all is done. @throws LinkError */
    public function run(): void
    {
        NoSessions::install();
        Log::follow(static fn (): int => Scheduler::strand()?->stream() ?? 0);
        $this->program->acts->follow(static fn (): ?Acts => Scheduler::strand()?->acts);
        $this->program->armed = $this->arm(...);
        Backtrace::follow($this);
        $this->link->answers($this->calls);
        $input = $this->link->gather(function (): void {
            if (!$this->receiving) {
                $this->reactor->defer($this->link->flush(...));
            }
        });
        $this->watch = $this->reactor->readable($input, fn () => $this->receive(), true);
        $this->arm();
        $this->receive(false); // what was read with HELLO
        while (!$this->over) {
            $this->reactor->run();
        }
        $this->reactor->cancel($this->watch);
        $this->reactor->cancel($this->alarm);
        $this->program->armed = null;
        $this->ticking = []; // those that wait still are cut off by a good end
        Backtrace::follow(null);
        Log::follow(null);
        $this->program->acts->follow(null);
        $this->link->answers(null);
        $this->link->scatter();
        if ($this->error !== null) {
            throw $this->error;
        }
        foreach ($this->arrived as [$message]) {
            $this->refuse($message, 'this worker is draining');
        }
    }

    public function isBusy(): bool
    {
        return $this->busy !== [] || $this->ticking !== [];
    }

    /** Whose code runs that ends the process; null if that can't be told. */
    public function culprit(): ?Strand
    {
        return $this->culprit ?? (\count($this->busy) === 1 && $this->ticking === [] ? \reset($this->busy) : null);
    }

    /** The process is at its end: nothing waits any more, and what is logged is the culprit's. */
    public function end(): void
    {
        Scheduler::$ending = true;
        Log::follow(null);
        Log::stream($this->culprit()?->stream() ?? 0);
        $this->link->scatter();
    }

    /** Where those stand that have been at hand for longest, a line each. */
    public function whereabouts(int $most): string
    {
        $lines = [];
        foreach (\array_slice($this->busy, 0, $most, true) as $stream => $strand) {
            $lines[] = "stream $stream " . $strand->whereabouts();
        }

        return \implode("\n", $lines);
    }

    /** How many are at hand. */
    public function count(): int
    {
        return \count($this->busy);
    }

    /** The link has failed, or this SDK: the process ends. */
    public function fail(\Throwable $error): void
    {
        $this->error ??= $error;
        $this->stop();
    }

    private function stop(): void
    {
        $this->over = true;
        $this->reactor->stop();
    }

    private function receive(bool $fill = true): void
    {
        if ($this->over) {
            return;
        }
        $this->receiving = true;
        try {
            if ($fill && $this->lends) {
                $this->link->pull(0); // another callback of the same tick may have looked, and left nothing to read
            } elseif ($fill) {
                $this->link->fill();
            }
            $this->looked = \hrtime(true);
            $this->distribute(true);
        } catch (LinkError $e) {
            $this->fail($e);
        }
        $this->receiving = false;
        $this->link->flush();
    }

    /**
     * Hands over what was read.
     *
     * @param bool $begin whether requests and events may begin at once
     *
     * @throws LinkError
     */
    private function distribute(bool $begin): void
    {
        $since = \hrtime(true);
        while (($message = $this->link->receive()) !== null) {
            [$type, $stream] = $message;
            if (Frame::opens($type)) {
                if ($begin && $this->arrived === []) {
                    $this->begin($message);
                } else {
                    if ($this->arrived === []) {
                        $this->reactor->queue($this->catchUp(...));
                    }
                    $this->arrived[$stream] = [$message];
                }
                if (($now = \hrtime(true)) - $since > self::GATHERING) {
                    $this->link->flush();
                    $since = $now;
                }
            } elseif (isset($this->busy[$stream])) {
                $this->busy[$stream]->take($message);
            } elseif (isset($this->arrived[$stream])) {
                if ($type !== Frame::RESET) {
                    $this->arrived[$stream][] = $message;
                } else {
                    unset($this->arrived[$stream]);
                    $this->giveBack($message);
                }
            } elseif ($type === Frame::HELLO) {
                throw new LinkError('HELLO once', 'it again');
            } else {
                $this->calls->take($message, $this->link->size());
            } // all else belongs to streams that are done: late, and of no interest
        }
        if ($this->link->hasEnded()) {
            $this->reactor->cancel($this->watch); // what is at its end can always be read
            $this->lose();
        }
        $this->stopIfDone();
    }

    /** Begins what came while another fiber ran. */
    private function catchUp(): void
    {
        while (!$this->over && $this->arrived !== []) {
            $stream = \array_key_first($this->arrived);
            $messages = $this->arrived[$stream];
            unset($this->arrived[$stream]);
            $this->begin($messages[0], \array_slice($messages, 1));
        }
        $this->stopIfDone();
    }

    /**
     * @param list<mixed>       $message REQUEST or an event
     * @param list<list<mixed>> $behind  what has come for it since
     */
    private function begin(array $message, array $behind = []): void
    {
        if ($this->link->draining || \count($this->busy) >= $this->program->concurrency) {
            $this->refuse($message, $this->link->draining ? 'this worker is draining' : 'this worker has no room');

            return;
        }
        $this->expectNoBuffer();
        try {
            $strand = \array_pop($this->idle) ?? $this->weave();
        } catch (\Exception $e) { // PHP has no memory for another stack
            $this->refuse($message, $e->getMessage());

            return;
        }
        $this->link->begun = $message[1];
        $this->busy[$message[1]] = $strand;
        $strand->begin($message, $behind);
        if ($strand->message !== null && Printed::isLeft()) {
            $strand->spoil();
        }
    }

    /**
     * Where fibers go on that we have not told to, one may have waited with an output buffer open, and nobody knows
     * which. What others have printed may be in it.
     */
    public function expectNoBuffer(): void
    {
        if ($this->lends && Printed::isLeft()) {
            Log::error('this worker ends: a request has waited with an output buffer open, which may have taken what '
                . 'others have printed; nothing tells which it was. End a buffer before waiting');
            ($this->flush)();
            $this->link->end();
        }
    }

    /**
     * Makes one, and some more for what comes next: their stacks then lie side by side. Each by itself would lie where
     * its message was decoded, in 12 KiB of which the operating system has given every page, and take 3 KiB more.
     *
     * @throws \Exception if PHP has no memory for its stack
     */
    private function weave(): Strand
    {
        $first = $this->thread();
        $more = \min(self::AT_ONCE, $this->program->concurrency - \count($this->busy)) - 1;
        try {
            while ($more-- > 0) {
                $this->idle[] = $this->thread();
            }
        } catch (\Exception) {
            // There is one, which is enough.
        }

        return $first;
    }

    /** @throws \Exception if PHP has no memory for its stack */
    private function thread(): Strand
    {
        ($this->equip)($strand = new Strand($this->link, $this));
        $strand->start();

        return $strand;
    }

    /** What a strand handles events with. */
    public function events(Strand $strand): Events
    {
        return ($this->events)($strand);
    }

    /** @param list<mixed> $message */
    private function refuse(array $message, string $why): void
    {
        $this->link->send([Frame::RESET, $message[1], Frame::CODE_REFUSED, $why]);
        $this->link->send([Frame::DONE, $message[1]]);
    }

    /** Answers a RESET for what was not begun (§4.2). @param list<mixed> $reset */
    private function giveBack(array $reset): void
    {
        if ($reset[2] === Frame::CODE_RECALLED) {
            $this->refuse($reset, 'recalled');
        } else {
            $this->link->send([Frame::DONE, $reset[1]]);
        }
    }

    /** A request or an event has had its DONE. Says whether the strand is kept. */
    public function done(Strand $strand): bool
    {
        unset($this->busy[$strand->stream()]);
        $strand->message = null;
        ($this->settle)();
        $kept = \count($this->idle) < self::MOST_IDLE;
        if ($kept) {
            $this->idle[] = $strand;
        }
        $this->stopIfDone();

        return $kept;
    }

    private function stopIfDone(): void
    {
        if ($this->busy === [] && ($this->link->draining || $this->link->hasEnded())) {
            $this->stop();
        }
    }

    /** The host is gone. */
    private function lose(): void
    {
        $this->calls->lose();
        foreach ($this->busy as $strand) {
            $strand->hush();
            if ($this->link->isLost()) {
                $strand->cancel('the host is gone');
            }
        }
        if ($this->link->isLost()) {
            $this->reactor->queue($this->stop(...)); // behind those that go on to hear of it
        }
    }

    /** Takes in what has come, for code that has not waited for a while. @throws LinkError */
    public function look(): void
    {
        if (\hrtime(true) - $this->looked < self::GATHERING || $this->link->hasEnded()) {
            return;
        }
        $this->link->flush();
        $this->link->pull(0);
        $this->looked = \hrtime(true);
        $this->distribute(false);
    }

    /** Waits until something has come, where no fiber can be suspended. @param \Closure(): bool $until */
    public function block(\Closure $until): void
    {
        while (!$until() && !$this->link->hasEnded()) {
            $this->link->flush();
            $this->link->pull(1_000_000);
            $this->distribute(false);
        }
    }

    public function flush(): void
    {
        ($this->flush)();
    }

    /** Has the timers seen to once nothing else runs: who has changed them may be in the midst of a request. */
    private function arm(): void
    {
        if (!$this->arming) {
            $this->arming = true;
            $this->reactor->queue($this->tick(...));
        }
    }

    /** Sees to the timers that are due, and to the next. */
    private function tick(): void
    {
        $this->arming = false;
        $this->reactor->cancel($this->alarm);
        $timers = $this->program->timers;
        if ($timers === null || $this->over || $timers->isEmpty()) {
            return;
        }
        $timers->start();
        foreach ($timers->due() as $timer) {
            if (!$timers->isDue($timer)) { // one before it has cancelled it
                continue;
            }
            $this->ticking[\spl_object_id($timer)] = $timer;
            Scheduler::fiber(new Context(null), function () use ($timers, $timer): void {
                try {
                    $timers->fire($timer);
                } catch (LinkError $e) {
                    $this->fail($e);
                }
                unset($this->ticking[\spl_object_id($timer)]);
                ($this->settle)();
                $this->arm();
            })->start();
        }
        $this->alarm = $this->reactor->delay(\min($timers->wait() / 1e6, 3600.0), $this->tick(...));
    }
}
