<?php

declare(strict_types=1);

namespace WorkerHost;

/** The task that Tasks::pushAndWait() has waited for lies with the failed ones; the message says why. */
final class TaskFailed extends \RuntimeException
{
}
