<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\Messenger\Event\{WorkerMessageFailedEvent, WorkerMessageHandledEvent};
use Symfony\Component\Messenger\Exception\UnrecoverableMessageHandlingException;
use Symfony\Component\Messenger\MessageBusInterface;

/** A message; what its handler does stands in it. */
final class Message
{
    public function __construct(public string $does = '')
    {
    }
}

final class Report
{
}

final class Handler
{
    /** What a message leaves in this service. */
    private string $left = '';
    /** How often a message has thrown in this worker. */
    private static int $thrown = 0;

    public function __construct(private readonly MessageBusInterface $bus)
    {
    }

    public function __invoke(object $message): void
    {
        $does = $message->does ?? 'report';
        if ($this->left !== '') {
            Kernel::note("left:$this->left");
        }
        $this->left = $does;
        if (str_starts_with($does, 'throws')) {
            $this->bus->dispatch(new Message('undone'));
            throw new \RuntimeException("$does " . ++self::$thrown);
        }
        if ($does === 'unrecoverable') {
            throw new UnrecoverableMessageHandlingException('there is no such user');
        }
        if ($does === 'dies' && !is_file(__DIR__ . '/died')) {
            touch(__DIR__ . '/died');
            posix_kill(getmypid(), SIGKILL);
        }
        if ($does === 'chained') {
            $this->bus->dispatch(new Message('last'));
        }
        Kernel::note("handled:$does");
    }

    public function reset(): void
    {
        $this->left = '';
    }

    public function failed(WorkerMessageFailedEvent $event): void
    {
        $does = $event->getEnvelope()->getMessage()->does;
        Kernel::note("failed:$does:" . ($event->willRetry() ? 'again' : 'at last'));
        if (!$event->willRetry()) {
            $this->bus->dispatch(new Message("after-$does"));
        }
    }

    public function handled(WorkerMessageHandledEvent $event): void
    {
        Kernel::note("event:{$event->getReceiverName()}");
    }
}
