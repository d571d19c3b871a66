<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\HttpKernel\Event\TerminateEvent;
use Symfony\Component\HttpKernel\KernelEvents;
use WorkerHost\Log;

/** Runs when the client has its whole response: here an application sends its mails. */
final class Farewell implements EventSubscriberInterface
{
    public function __construct(private readonly Journal $journal)
    {
    }

    public static function getSubscribedEvents(): array
    {
        return [KernelEvents::TERMINATE => 'finish'];
    }

    public function finish(TerminateEvent $event): void
    {
        $wait = min(2000, $event->getRequest()->query->getInt('farewell_ms'));
        if ($wait > 0) {
            usleep($wait * 1000);
        }
        Log::info('terminated', ['path' => $event->getRequest()->getPathInfo(),
            'journal' => count($this->journal->entries())]);
    }
}
