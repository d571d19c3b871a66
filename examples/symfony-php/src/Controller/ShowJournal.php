<?php

declare(strict_types=1);

namespace App\Controller;

use App\Journal;
use Symfony\Component\HttpFoundation\JsonResponse;

/** Shows that a service's state does not pass from one request to the next, though the service does. */
final class ShowJournal
{
    public function __construct(private readonly Journal $journal)
    {
    }

    public function __invoke(): JsonResponse
    {
        $this->journal->add('looked at ' . date('H:i:s'));

        return new JsonResponse(['entries' => $this->journal->entries(), 'resets' => $this->journal->resets(),
            'pid' => getmypid()]);
    }
}
