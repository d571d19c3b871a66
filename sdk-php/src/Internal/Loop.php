<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

use WorkerHost\Cache;
use WorkerHost\Internal\Fibers\Scheduler;
use WorkerHost\Internal\Fibers\Strand;
use WorkerHost\Internal\Fibers\Strands;
use WorkerHost\Internal\Leaks\Inspector;
use WorkerHost\Log;
use WorkerHost\Place;
use WorkerHost\Tasks;

/**
 * @internal The life of a worker: boot, then one request or event after another until the host says that it is enough.
 */
final class Loop
{
    private ?Superglobals $globals = null;
    private int $window = Frame::WINDOW_SIZE;
    private bool $dev = false;
    /** Whether the host only tries this code. */
    private bool $trial = false;
    /** Whether user code runs that exit() would cut off: between HELLO and READY, in a request, and in an event. */
    private bool $booting = false;
    private ?Requests $requests = null;
    /** Those that are at hand at once, where there may be several. */
    private ?Strands $strands = null;
    /** What looks for leaks, where the host wants that. */
    private ?Inspector $leaks = null;
    /** @var list<mixed>|null the event at hand */
    private ?array $event = null;
    /** Whether PHP took what was printed before run() for the end of the headers. */
    private bool $written = false;

    /**
     * @param string        $sdk      what READY says of the SDK
     * @param Template|null $template if workers are to be forked from this process
     */
    private function __construct(
        private readonly Program $program,
        private readonly Link $link,
        private readonly string $sdk,
        private readonly ?Template $template,
    ) {
    }

    /** Forgets what is at hand, since the link is broken: the process ends, and its end says nothing more. */
    public function abandon(): void
    {
        $this->booting = false;
        $this->requests?->abandon();
        $this->strands = null;
        $this->event = $this->program->timers = null;
    }

    /** Whether the worker is not ready yet. */
    public function isBooting(): bool
    {
        return $this->booting;
    }

    /** What to say if it ends by then. */
    public function unready(): string
    {
        return $this->program->unready;
    }

    /** Whether user code runs that exit() would cut off. */
    public function isBusy(): bool
    {
        return $this->booting || $this->requests?->request !== null || $this->event !== null
            || $this->program->timers?->ticking === true || $this->strands?->isBusy() === true;
    }

    /** Where the request is that is at hand, or whose code has called exit(). */
    public function requests(): ?Requests
    {
        return $this->strands === null ? $this->requests : $this->strands->culprit()?->requests;
    }

    /** How many are at hand beside that one: the host sees to them when this process has gone. */
    public function others(): int
    {
        return $this->strands === null ? 0 : $this->strands->count() - ($this->strands->culprit() === null ? 0 : 1);
    }

    /** The process is at its end. */
    public function ends(): void
    {
        $this->strands?->end();
    }

    /** Takes away the event at hand. @return list<mixed>|null */
    public function takeEvent(): ?array
    {
        if ($this->strands !== null) {
            $message = $this->strands->culprit()?->message;

            return $message === null || $message[0] === Frame::REQUEST ? null : $message;
        }
        [$event, $this->event] = [$this->event, null];

        return $event;
    }

    /**
     * Finds the host, and takes its HELLO.
     *
     * @param string $sdk what READY says of the SDK
     *
     * @return self|null null: there is no host
     *
     * @throws LinkError
     */
    public static function connect(Program $program, string $sdk): ?self
    {
        $template = Template::find();
        $pipes = $template === null ? Descriptors::open() : $template->pipes();
        if ($pipes === null) {
            return null;
        }
        $link = new Link($pipes[0], $pipes[1], new Codec());
        unset($pipes);
        $hello = $link->wait();
        if ($hello === null) {
            return null;
        }
        $loop = new self($program, $link, $sdk, $template);
        $loop->greet($hello);

        return $loop;
    }

    /** From HELLO to the end of the link. @throws LinkError */
    public function run(): void
    {
        $this->boot();
        if ($this->strands !== null) {
            $this->strands->run();
        } else {
            while ($this->step() !== null);
        }
        $this->end();
        $this->finish(0);
    }

    /**
     * Takes HELLO. From here on what is printed goes to the log, and the process can't end without a word.
     *
     * @param list<mixed> $hello
     *
     * @throws LinkError
     */
    private function greet(array $hello): void
    {
        $this->take($hello);
        $this->program->events->attach($this->link);
        \set_time_limit(0);
        \ignore_user_abort(true);
        $shown = \strtolower((string) \ini_get('display_errors'));
        if (\ini_get('error_log') === '' && !\in_array($shown, ['', '0', 'off', 'no', 'false'], true)) {
            \ini_set('log_errors', '0'); // both ways lead to the host's log, where each warning would come twice
        }
        $this->settleIn();
        self::load();
        $this->booting = true;
        \register_shutdown_function((new Shutdown($this, $this->link))->run(...));
        Printed::start();
        $this->written = Printed::hasEscaped();
    }

    /**
     * The host's first word on a link, and ours.
     *
     * @param list<mixed> $hello
     *
     * @throws LinkError
     */
    private function take(array $hello): void
    {
        $this->link->raw(Frame::MAGIC);
        if ($hello[0] !== Frame::HELLO) {
            throw new LinkError('HELLO as the first message', Message::name($hello[0]));
        }
        if (!\in_array(Frame::VERSION, $hello[2], true)) {
            $this->fail('no protocol version in common: the host speaks ' . \implode(', ', $hello[2])
                . ', this SDK speaks ' . Frame::VERSION . '; update the older one', '');
        }
        $this->link->greet($hello);
        $this->window = $hello[7];
        $this->dev = Failure::$dev = $hello[9];
        $this->trial = \in_array(Upgrade::TRIAL, $hello[10], true);
        Fetches::greet($hello);
        Tasks::greet($hello);
        Cache::greet($hello);
        $this->program->place = new Place($hello[3], $hello[4], $hello[5], $hello[8], $hello[9]);
    }

    /** What goes by the process's number. */
    private function settleIn(): void
    {
        Log::attach($this->link);
        Process::start();
        Backtrace::install($this->link);
    }

    /**
     * Loads the rest of the SDK, so that one that is moved or brought up to date below a running worker is never mixed
     * with this one.
     */
    private static function load(): void
    {
        foreach (['', 'Http/', 'Internal/', 'Internal/Fibers/'] as $folder) {
            foreach (\glob(\dirname(__DIR__) . "/$folder*.php") ?: [] as $file) {
                \class_exists('WorkerHost\\' . \strtr($folder, '/', '\\') . \basename($file, '.php'));
            }
        }
    }

    /** READY, once all that is to run before it has. @throws LinkError */
    public function boot(): void
    {
        try {
            $this->program->check();
            if (\getenv('WORKERHOST_LEAKS') !== false) {
                $this->program->concurrency = 1; // what one request leaves can be told from no other's
            }
            $this->program->start();
            if ($this->template !== null) {
                $this->flush(); // else each child would print it
                $this->fork($this->template);
            }
            $this->program->begin();
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $this->refuse($e);
        }
        $this->booting = false;
        if ($this->program->wantsGlobals) {
            $this->globals = new Superglobals($this->program->wantsInput);
            $this->globals->restore();
        }
        $this->link->send([
            Frame::READY, 0, Frame::VERSION, (int) \getmypid(), $this->sdk, $this->program->concurrency,
            $this->program->features(), Frame::WINDOW_SIZE, ...$this->program->queues(),
        ]);
        $this->program->acts->attach($this->link);
        $this->program->acts->settle();
        $this->flush(); // what onStart left
        $handler = $this->program->answers();
        if (\getenv('WORKERHOST_LEAKS') !== false && ($this->leaks = Inspector::wanted($this->program)) !== null) {
            $handler = $this->leaks->around($handler);
        }
        if ($this->program->concurrency > 1) {
            $returned = static function (): void {
                Process::endChild();
                Scheduler::strand()?->check();
            };
            $flush = $this->flush(...);
            $equip = function (Strand $strand) use ($returned, $flush): void {
                $strand->acts = new Acts($this->program->acts);
                $strand->acts->attach($strand);
                $strand->requests = new Requests($strand, $strand->acts, $this->program->answers(), false,
                    $this->window, $this->dev, $returned, $flush);
            };
            $events = fn (Strand $strand): Events => $this->program->events->apart($strand->acts, $returned, $strand);
            $this->strands = new Strands($this->link, $this->program, $equip, $events, $flush, $this->settle(...));
        } else {
            $this->requests = new Requests(
                $this->link, $this->program->acts, $handler, $this->program->capture, $this->window, $this->dev,
                Process::endChild(...), $this->flush(...),
            );
        }
        $this->program->timers?->start();
        if ($this->trial && Upgrade::$version > 0) {
            Upgrade::onTrial($this->program->acts);
            Process::endChild();
            $this->flush();
        }
    }

    /** In place of READY: what was thrown is why the boot has failed. @throws LinkError */
    public function refuse(\Throwable $e): never
    {
        $this->booting = false;
        $this->fail(Failure::summary($e), (string) $e);
    }

    /** Becomes a template, and returns in each worker that is forked from it. @throws LinkError */
    private function fork(Template $template): void
    {
        if (($why = $template->unfit()) !== '') {
            $this->booting = false;
            $this->fail($why, '');
        }
        $moved = $template->serve($this->link);
        if ($moved === null) {
            $this->abandon(); // its end says nothing to anybody
            exit(0);
        }
        if ($moved) {
            $this->take($this->link->wait() ?? throw new LinkError('HELLO', 'the end of the link'));
        }
        $this->settleIn();
        Printed::own();
    }

    private function fail(string $message, string $trace): never
    {
        $this->link->send([Frame::FAILED, 0, $message, \substr($trace, 0, 65536)]);
        $this->finish(1);
        exit(1);
    }

    /** Ends a worker that was forked, which must not undo what the template has done. */
    public function finish(int $status): void
    {
        if ($this->template?->isChild() === true) {
            $this->template->finish($status);
        }
    }

    /**
     * Waits for a message, and does what it asks for.
     *
     * @return int|null its type; null if there is to be no more: the link is at its end, or this worker is to drain
     *
     * @throws LinkError
     */
    public function step(): ?int
    {
        $link = $this->link;
        $timers = $this->program->timers;
        $this->leaks?->look();
        while (!$link->draining) {
            if ($timers?->isEmpty() === false && !$this->pace($timers)) {
                continue;
            }
            if (($message = $link->next()) === null) {
                return null;
            }
            [$type, $stream] = $message;
            if (Frame::opens($type)) {
                if ($link->recalled($stream)) {
                    continue;
                }
                $link->begun = $stream;
            }
            if ($type === Frame::REQUEST) {
                Log::stream($stream);
                $this->requests->answer($message, $this->globals);
                $this->settle();
                $this->flush(); // what a generator left
            } elseif (Frame::opens($type)) {
                $this->happen($message);
            } elseif ($type === Frame::HELLO) {
                throw new LinkError('HELLO once', 'it again');
            }

            return $type; // all else belongs to streams that are done: late, and of no interest
        }
        $link->end();
        while ($link->draining && ($message = $link->held() ?? $link->poll()) !== null) {
            if (Frame::opens($message[0])) {
                $link->send([Frame::RESET, $message[1], Frame::CODE_REFUSED, 'this worker is draining']);
                $link->send([Frame::DONE, $message[1]]);
            }
        }

        return null;
    }

    /**
     * While a request is at hand whose answer a timer is to give: runs what is due, or waits for it. What comes
     * meanwhile waits its turn.
     *
     * @return bool false if there is no timer, or nobody waits for the answer
     */
    public function idle(): bool
    {
        $timers = $this->program->timers;
        $request = $this->requests->request;
        if ($timers === null || $timers->isEmpty() || $request->isCancelled()) {
            return false;
        }
        if (!$this->program->acts->aside($timers->run(...))) {
            $this->link->await($timers->wait());
        }

        return true;
    }

    /** Runs the timers that are due, and waits for the next of them or for a message; whether there is one. */
    private function pace(Timers $timers): bool
    {
        if ($timers->run()) {
            Process::endChild();
            $this->flush();
            $this->endSession();
            $this->program->acts->release();
        }

        return !$this->link->draining && ($timers->isEmpty() || $this->link->await($timers->wait()));
    }

    /** An event of a connection, from its frame to its DONE. @param list<mixed> $message */
    private function happen(array $message): void
    {
        $this->event = $message;
        Log::stream($message[1]);
        $this->program->events->handle($message, $this->globals);
        $this->flush(); // before DONE, so that the host knows whose it is
        $this->event = null;
        $this->program->events->finish();
        $this->settle();
    }

    /** After DONE: nothing of this request or event is left for the next one. */
    private function settle(): void
    {
        $this->endSession();
        if (\ini_get('max_execution_time') !== '0') {
            \set_time_limit(0); // set for a request, it would count on through others
        }
        $this->globals?->restore();
        Log::stream(0);
        $this->program->acts->release();
    }

    private function endSession(): void
    {
        if (!Session::end() || !$this->written && Printed::hasEscaped()) {
            Log::warn('this worker ends: the code has ended an output buffer that was not its own and printed past '
                . 'it, after which PHP takes no headers (each header() would be warned of) and forgets no session');
            $this->link->end();
        }
    }

    /** What was left in an output buffer goes to the log. */
    private function flush(): void
    {
        if (!Printed::isLeft()) {
            return;
        }
        try {
            Printed::settle();
        } catch (LinkError $e) {
            throw $e;
        } catch (\Throwable $e) {
            $what = 'an output buffer was left, and its callback failed: ';
            Log::error($what . Failure::summary($e), ['trace' => (string) $e]);
        }
        if (Printed::stuck() && !$this->link->draining) {
            Log::warn('this worker ends: the code has left an output buffer that can not be ended, '
                . 'which keeps all that is printed from now on');
            $this->link->end();
        }
    }

    /** Has this process end of its own accord once what is at hand is done; the host starts another one. */
    public function retire(): void
    {
        $this->link->end();
    }

    /** Ends of its own accord: what was not begun is for other workers. @throws LinkError */
    public function leave(): void
    {
        $this->link->end();
        $this->end();
    }

    /** In good order, after the last step(). */
    public function end(): void
    {
        try {
            $this->program->stop();
        } catch (\Throwable $e) {
            Log::error('onStop: ' . Failure::summary($e), ['trace' => (string) $e]);
        }
        $this->program->acts->attach(null);
        Log::attach(null);
    }
}
