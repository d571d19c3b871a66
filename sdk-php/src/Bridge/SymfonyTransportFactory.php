<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Symfony\Component\Messenger\Transport\Serialization\SerializerInterface;
use Symfony\Component\Messenger\Transport\TransportFactoryInterface;
use Symfony\Component\Messenger\Transport\TransportInterface;

/**
 * Makes transports of `workerhost://QUEUE`, a `[queue.QUEUE]` of host.toml. `?now=1`, or the option `now`, has a
 * message be on disk when its dispatch() returns, whatever happens then; without, it takes effect with all else, when
 * the request or the message at hand is done.
 */
final class SymfonyTransportFactory implements TransportFactoryInterface
{
    /** @param string $secret the application's: messages are signed with it */
    public function __construct(#[\SensitiveParameter] private readonly string $secret)
    {
    }

    /** @throws \InvalidArgumentException if the DSN names no queue, or has what is unknown */
    public function createTransport(string $dsn, array $options, SerializerInterface $serializer): TransportInterface
    {
        \parse_str((string) \parse_url($dsn, \PHP_URL_QUERY), $query);
        unset($options['transport_name']);
        $options = $query + $options;
        $queue = (string) \parse_url($dsn, \PHP_URL_HOST);
        if ($queue === '' || \array_diff_key($options, ['now' => 0]) !== []) {
            throw new \InvalidArgumentException("\"$dsn\" is no transport of the host's: it is workerhost://QUEUE, "
                . 'with ?now=1 or without');
        }

        return new SymfonyTransport($queue, $serializer, $this->secret,
            \filter_var($options['now'] ?? false, \FILTER_VALIDATE_BOOL));
    }

    /** Whether the DSN is one of the host's. */
    public function supports(string $dsn, array $options): bool
    {
        return \str_starts_with($dsn, 'workerhost://');
    }
}
