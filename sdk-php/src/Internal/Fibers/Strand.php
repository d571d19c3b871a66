<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Fibers;

use WorkerHost\Internal\Acts;
use WorkerHost\Internal\Channel;
use WorkerHost\Internal\Events;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\Link;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\Message;
use WorkerHost\Internal\Requests;
use WorkerHost\Log;
use WorkerHost\RequestCancelled;

/**
 * @internal A fiber that handles one request or event after another, with all that is one's alone: what it has asked
 *     for, how far its answer is, and what the host has said to it.
 */
final class Strand implements Channel
{
    /** What hear() says where something has changed that another fiber of the strand took. */
    private const NOTHING = [Frame::PONG, 0, 0];

    /** What it handles: a REQUEST or an event; null: it is idle. @var list<mixed>|null */
    public ?array $message = null;
    public Acts $acts;
    public Requests $requests;
    private ?Events $events = null;
    public readonly \Fiber $fiber;
    /** @var list<list<mixed>> what has come for it, in order */
    private array $inbox = [];
    private ?Context $context;
    /** @var array<int, Context> those of fibers beside its own */
    private array $more = [];
    /** @var array<int, Wait> those that wait for what comes */
    private array $listeners = [];
    /** Whether its fibers have been told to give up. */
    private bool $cancelled = false;
    /** Why what it handles has failed already, whatever comes of it. */
    private string $spoiled = '';

    public function __construct(private readonly Link $link, public readonly Strands $strands)
    {
        $this->context = new Context($this);
        $this->fiber = Scheduler::fiber($this->context, self::class . '::serve'); // a closure would take more memory
    }

    /** Has its fiber wait for what it is to handle. @throws \Exception if PHP has no memory for its stack */
    public function start(): void
    {
        $this->fiber->start($this);
    }

    public function stream(): int
    {
        return $this->message[1] ?? 0;
    }

    /** What it handles, and the line of the application's at which that waits. */
    public function whereabouts(): string
    {
        $what = $this->message[0] === Frame::REQUEST ? "{$this->message[3]} {$this->message[4]}"
            : Message::name($this->message[0]);
        if (!$this->fiber->isSuspended()) {
            return "$what runs";
        }
        $sdk = \dirname(__DIR__, 2) . \DIRECTORY_SEPARATOR;
        foreach ((new \ReflectionFiber($this->fiber))->getTrace(\DEBUG_BACKTRACE_IGNORE_ARGS) as $frame) {
            if (isset($frame['file']) && !\str_starts_with($frame['file'], $sdk)) {
                return "$what waits at {$frame['file']}:{$frame['line']}";
            }
        }

        return "$what waits in the SDK";
    }

    public function add(Context $context): void
    {
        $this->more[\spl_object_id($context)] = $context;
    }

    public function remove(Context $context): void
    {
        unset($this->more[\spl_object_id($context)]);
    }

    /**
     * Begins a REQUEST or an event; comes back when that waits, or is done.
     *
     * @param list<mixed>       $message
     * @param list<list<mixed>> $behind  what has come for it since
     *
     */
    public function begin(array $message, array $behind): void
    {
        $this->message = $message;
        $this->inbox = $behind;
        $this->cancelled = false;
        $this->fiber->resume();
    }

    /** It waits with an output buffer open, where what others print would go: it has failed. */
    public function spoil(): void
    {
        $this->spoiled = 'the code has waited with an output buffer open, which would take what other requests print '
            . 'meanwhile: end it first (ob_get_clean(), say)';
        $this->strands->flush();
    }

    /** Whenever its code has returned or thrown. @throws \LogicException if it has failed before */
    public function check(): void
    {
        if ($this->spoiled !== '') {
            [$why, $this->spoiled] = [$this->spoiled, ''];
            throw new \LogicException($why);
        }
    }

    /** What its fiber runs. */
    public static function serve(self $strand): void
    {
        $unwound = new Unwound($strand);
        for (;;) {
            \Fiber::suspend(); // until begin()
            $strand->handle($strand->message);
            if ($strand->spoiled !== '') { // by what ran behind its handler: a generator, or after()
                Log::error($strand->spoiled, $strand->message[0] !== Frame::REQUEST ? []
                    : ['method' => $strand->message[3], 'target' => $strand->message[4]]);
                $strand->spoiled = '';
            }
            $strand->inbox = [];
            $strand->context->renew();
            if (!$strand->strands->done($strand)) { // which forgets message
                Scheduler::forget($strand->fiber);
                unset($strand->acts, $strand->requests, $strand->events, $strand->context); // they refer to it

                return;
            }
        }
    }

    /** @param list<mixed> $message */
    private function handle(array $message): void
    {
        try {
            if ($message[0] === Frame::REQUEST) {
                $this->requests->answer($message, null);
            } else {
                $this->events ??= $this->strands->events($this);
                $this->events->handle($message, null);
                $this->strands->flush(); // before DONE, so that the host knows whose it is
                $this->events->finish();
            }
            $this->acts->release();
        } catch (\Throwable $e) {
            $this->strands->fail($e);
        }
    }

    /** Takes what has come for its stream. @param list<mixed> $message */
    public function take(array $message): void
    {
        $this->inbox[] = $message;
        foreach ($this->listeners as $wait) {
            $wait->end();
        }
        if ($message[0] === Frame::RESET && $message[2] !== Frame::CODE_RECALLED
            && !($message[2] === Frame::CODE_CANCELLED && $this->requests->hasAnswered())) {
            $this->cancel(Frame::given($message));
        }
    }

    /** Has each of its fibers hear that nobody waits any more. */
    public function cancel(string $why): void
    {
        $this->cancelled = true;
        foreach ([$this->context, ...$this->more] as $context) {
            $context->cancel(new RequestCancelled($why));
        }
    }

    public function hear(bool $wait): ?array
    {
        if ($this->inbox === []) {
            if (!$wait) {
                $this->strands->look();
            } elseif (!$this->link->hasEnded()) {
                $this->listen();
            }
        }

        $message = \array_shift($this->inbox);
        if ($wait && $this->cancelled && $this->inbox === [] && ($context = Scheduler::context()) !== null) {
            $context->pending = null; // it hears so by this message, or by what another fiber took: once
        }

        return $message ?? ($wait && !$this->link->hasEnded() ? self::NOTHING : null);
    }

    private function listen(): void
    {
        $listener = new Wait(Scheduler::reactor(), true);
        $this->listeners[] = $listener;
        $at = \array_key_last($this->listeners);
        try {
            if (!$listener->suspend(Scheduler::context())) {
                $this->strands->block(fn (): bool => $this->inbox !== []);
            }
        } finally {
            unset($this->listeners[$at]);
        }
    }

    /** The link is at its end: who listens hears that. */
    public function hush(): void
    {
        foreach ($this->listeners as $wait) {
            $wait->end();
        }
    }

    public function send(array $message, string $before = ''): void
    {
        $this->link->send($message, $before);
    }

    public function raw(string $bytes, bool $now = false): void
    {
        $this->link->raw($bytes, $now);
    }

    public function frame(array $message): string
    {
        return $this->link->frame($message);
    }

    public function call(int $type, array $elements): mixed
    {
        return $this->link->call($type, $elements);
    }

    public function maxActs(): int
    {
        return $this->link->maxActs();
    }

    public function isLost(): bool
    {
        return $this->link->isLost();
    }

    public function fail(LinkError $error): LinkError
    {
        return $this->link->fail($error);
    }
}
