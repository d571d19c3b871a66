<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Psr\Container\ContainerInterface;
use Symfony\Component\HttpKernel\KernelInterface;
use Symfony\Component\Messenger\Event\WorkerMessageFailedEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;
use Symfony\Component\Messenger\Event\WorkerStartedEvent;
use Symfony\Component\Messenger\Event\WorkerStoppedEvent;
use Symfony\Component\Messenger\Exception\HandlerFailedException;
use Symfony\Component\Messenger\Exception\MessageDecodingFailedException;
use Symfony\Component\Messenger\MessageBusInterface;
use Symfony\Component\Messenger\Worker as Messenger;
use Symfony\Contracts\EventDispatcher\EventDispatcherInterface;
use WorkerHost\Internal\Acts;
use WorkerHost\Task;
use WorkerHost\Worker;

/**
 * Runs the messages that a Symfony application dispatches to `workerhost://QUEUE`, as `messenger:consume` would, in a
 * pool of the host's:
 *
 *     SymfonyMessages::worker(fn () => new App\Kernel('prod', false), ['emails' => 'async'])->run();
 *
 * The kernel is booted once per worker, and Messenger's own worker handles each message, with its events and the
 * transport's retry strategy; then services are reset. A message that has failed lies with the failed tasks, with its
 * exception, and goes to the failure transport, if there is one.
 */
final class SymfonyMessages implements EventDispatcherInterface
{
    private Task $task;
    /** @var array{int, int} what had been done before the message at hand */
    private array $mark;

    /** SymfonyBundle makes it a service. */
    public function __construct(private readonly ContainerInterface $receivers,
        private readonly MessageBusInterface $bus, private readonly EventDispatcherInterface $dispatcher)
    {
    }

    /**
     * A worker that runs the messages of these queues. What booting the kernel throws is a failed boot.
     *
     * @param callable(): KernelInterface  $kernel
     * @param array<string>                $transports their names in messenger.yaml, by the queues of their DSN; a
     *     name without a queue is that of both
     */
    public static function worker(callable $kernel, array $transports): Worker
    {
        $names = [];
        foreach ($transports as $queue => $name) {
            $names[\is_int($queue) ? $name : $queue] = $name;
        }
        $container = $messages = null;
        $worker = Worker::create()->onStart(static function () use ($kernel, $names, &$container, &$messages): void {
            $kernel = $kernel();
            $kernel->boot();
            $container = $kernel->getContainer();
            $messages = $container->has(self::class) ? $container->get(self::class) : throw new \LogicException(
                'Messenger is not configured, or ' . SymfonyBundle::class . ' is missing in config/bundles.php');
            foreach ($names as $queue => $name) {
                $messages->transport($name, $queue);
            }
        });
        foreach ($names as $queue => $name) {
            $worker->onTask($queue, static function (Task $task) use ($name, &$container, &$messages): void {
                try {
                    $messages->handle($task, $name);
                } finally {
                    $container->has('services_resetter') && $container->get('services_resetter')->reset();
                }
            });
        }

        return $worker;
    }

    private function transport(string $name, string $queue): SymfonyTransport
    {
        $transport = $this->receivers->has($name) ? $this->receivers->get($name) : null;
        if (!$transport instanceof SymfonyTransport || $transport->queue !== $queue) {
            throw new \LogicException("the transport $name of messenger.yaml is not workerhost://$queue");
        }

        return $transport;
    }

    private function handle(Task $task, string $name): void
    {
        $transport = $this->transport($name, $task->queue);
        try {
            $transport->take($task);
        } catch (MessageDecodingFailedException $e) {
            $task->fail($e->getMessage());

            return;
        }
        $this->task = $task;
        $this->mark = Acts::here()->current()->mark();
        (new Messenger([$name => $transport], $this->bus, $this))->run(['sleep' => 0]);
    }

    /**
     * What Messenger's worker tells: that a message has failed first undoes what its handlers have dispatched and
     * sent; that the worker runs has it stop, for the host gives the next message. Nobody else hears of its start and
     * stop, since listeners of these handle signals, which are the host's.
     */
    public function dispatch(object $event, ?string $eventName = null): object
    {
        if ($event instanceof WorkerRunningEvent) {
            $event->getWorker()->stop();
        }
        if ($event instanceof WorkerRunningEvent || $event instanceof WorkerStartedEvent
            || $event instanceof WorkerStoppedEvent) {
            return $event;
        }
        if (!$event instanceof WorkerMessageFailedEvent) {
            return $this->dispatcher->dispatch($event, $eventName);
        }
        Acts::here()->current()->rollback($this->mark);
        $this->dispatcher->dispatch($event, $eventName);
        if (!$event->willRetry()) {
            $e = $event->getThrowable();
            $this->task->fail($e instanceof HandlerFailedException ? $e->getPrevious() ?? $e : $e);
        }

        return $event;
    }
}
