<?php

declare(strict_types=1);

namespace WorkerHost;

/** The host did not answer a question about connections, or a change of a session: it has none, it said why, or it is gone. */
final class CallFailed extends \RuntimeException
{
}
