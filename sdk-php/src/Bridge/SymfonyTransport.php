<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Exception\MessageDecodingFailedException;
use Symfony\Component\Messenger\Exception\TransportException;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Stamp\TransportMessageIdStamp;
use Symfony\Component\Messenger\Transport\Serialization\SerializerInterface;
use Symfony\Component\Messenger\Transport\TransportInterface;
use WorkerHost\CallFailed;
use WorkerHost\Internal\Signed;
use WorkerHost\Task;
use WorkerHost\Tasks;

/** The host's tasks as a transport of Messenger's: SymfonyTransportFactory makes it, SymfonyMessages gets from it. */
final class SymfonyTransport implements TransportInterface
{
    /** What the host has given to this worker. */
    private ?Envelope $envelope = null;

    /** @param string $queue of host.toml */
    public function __construct(public readonly string $queue, private readonly SerializerInterface $serializer,
        #[\SensitiveParameter] private readonly string $secret, private readonly bool $now)
    {
    }

    /**
     * Pushes a message, signed with the application's secret; a DelayStamp has it wait.
     *
     * @throws TransportException with `now`, if the host does not take it
     */
    public function send(Envelope $envelope): Envelope
    {
        $id = \bin2hex(\random_bytes(12));
        $delay = $envelope->last(DelayStamp::class)?->getDelay() ?? 0;
        $payload = Signed::seal($this->secret, $this->queue, $id, $this->serializer->encode($envelope));
        try {
            Tasks::here()->push($this->queue, $payload, \max(0, $delay) / 1000, $id, now: $this->now);
        } catch (CallFailed $e) {
            throw new TransportException($e->getMessage(), $e->getCode(), $e);
        }

        return $envelope->with(new TransportMessageIdStamp($id));
    }

    /**
     * Takes what the host has given to this worker: the next get() gives it, once.
     *
     * @throws MessageDecodingFailedException if it is not signed with the application's secret, or no message
     */
    public function take(Task $task): void
    {
        $encoded = Signed::open([$this->secret], $task) ?? throw new MessageDecodingFailedException('it is no message '
            . 'that was signed with this application\'s secret for this queue and id, so it is not run');
        $this->envelope = $this->serializer->decode($encoded)->with(new TransportMessageIdStamp($task->id));
    }

    /**
     * The message that the host has given to this worker.
     *
     * @throws TransportException if there is none: the host gives messages to SymfonyMessages alone
     */
    public function get(): iterable
    {
        [$envelope, $this->envelope] = [$this->envelope, null];

        return [$envelope ?? throw new TransportException("messages of workerhost://$this->queue come to a worker of "
            . 'the host that is made by SymfonyMessages::worker(), and not to messenger:consume')];
    }

    /** Does nothing: the task is done when its handler has returned. */
    public function ack(Envelope $envelope): void
    {
    }

    /** Does nothing: SymfonyMessages knows what has failed. */
    public function reject(Envelope $envelope): void
    {
    }
}
