<?php

declare(strict_types=1);

namespace WorkerHost\Bridge\Grpc;

use Google\Protobuf\Internal\Message;

/**
 * A call's failure that the client is told of: its code, its message and its details. It is not logged.
 *
 * What is thrown otherwise is logged, and the client hears INTERNAL.
 */
final class GrpcException extends \RuntimeException
{
    /** What the client gets. */
    public readonly Code $status;

    /**
     * @param Code|int      $status  any but OK; as a number, 1 to 16
     * @param string        $message in UTF-8, for a developer to read
     * @param list<Message> $details messages of any type, as google.rpc.BadRequest; they reach the client as
     *     grpc-status-details-bin, in which all of a call's trailers should stay below 8 KiB
     *
     * @throws \ValueError for another code
     */
    public function __construct(Code|int $status, string $message = '', public readonly array $details = [],
        ?\Throwable $previous = null)
    {
        $code = \is_int($status) ? Code::tryFrom($status) : $status;
        if ($code === null || $code === Code::Ok) {
            throw new \ValueError('A failure of gRPC has a code of 1 to 16, not '
                . (\is_int($status) ? $status : $status->value));
        }
        $this->status = $code;
        parent::__construct($message, $code->value, $previous);
    }
}
