<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Grpc;

use Google\Protobuf\Any;
use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\GrpcException;

/** @internal How gRPC writes metadata, time-outs and statuses in header fields (its PROTOCOL-HTTP2.md). */
final class Metadata
{
    private const UNITS = ['H' => 3600, 'M' => 60, 'S' => 1, 'm' => 1e-3, 'u' => 1e-6, 'n' => 1e-9];

    /**
     * A field as it goes on the wire: bytes of -bin in base64.
     *
     * @return array{string, string}
     *
     * @throws \ValueError
     */
    public static function field(string $name, string $value): array
    {
        $name = \strtolower($name);
        if (\preg_match('/^[0-9a-z_.-]+$/D', $name) !== 1) {
            throw new \ValueError("No metadata can be named \"$name\": a name is letters, digits, _, - and .");
        }
        if (\str_starts_with($name, 'grpc-')
            || \in_array($name, ['content-type', 'te', 'content-length', 'connection', 'trailer'], true)) {
            throw new \ValueError("Metadata can't be named $name, which gRPC or HTTP uses itself");
        }
        if (\str_ends_with($name, '-bin')) {
            return [$name, \rtrim(\base64_encode($value), '=')];
        }
        if (\preg_match('/^[ -~]*$/D', $value) !== 1) {
            throw new \ValueError("The value of metadata $name is not printable ASCII; bytes go under a name that "
                . 'ends in -bin');
        }

        return [$name, $value];
    }

    /**
     * What came under a name that ends in -bin; several may have been joined by commas on the way.
     *
     * @param list<string> $values
     *
     * @return list<string>
     *
     * @throws GrpcException
     */
    public static function bytes(array $values): array
    {
        $bytes = [];
        foreach ($values as $value) {
            foreach (\explode(',', $value) as $one) {
                $decoded = \base64_decode(\trim($one), true);
                $bytes[] = $decoded !== false ? $decoded
                    : throw new GrpcException(Code::Internal, 'metadata whose name ends in -bin is not base64');
            }
        }

        return $bytes;
    }

    /** The seconds of a grpc-timeout; null: there is none. @throws GrpcException */
    public static function timeout(string $value): ?float
    {
        if ($value === '') {
            return null;
        }
        if (\preg_match('/^(\d{1,8})([HMSmun])$/D', $value, $match) !== 1) {
            throw new GrpcException(Code::Internal, 'grpc-timeout is malformed: ' . \substr($value, 0, 40));
        }

        return (int) $match[1] * self::UNITS[$match[2]];
    }

    /**
     * The fields that a call ends with.
     *
     * @param GrpcException|null $failure null: it has gone well
     *
     * @return list<string> name, value, name, value …
     */
    public static function status(?GrpcException $failure): array
    {
        if ($failure === null) {
            return ['grpc-status', '0'];
        }
        $fields = ['grpc-status', (string) $failure->status->value];
        if ($failure->getMessage() !== '') {
            \array_push($fields, 'grpc-message', \preg_replace_callback('/[^ -$&-~]/',
                static fn (array $match): string => \sprintf('%%%02X', \ord($match[0])), $failure->getMessage()));
        }
        if ($failure->details !== []) {
            \array_push($fields, 'grpc-status-details-bin', \rtrim(\base64_encode(self::details($failure)), '='));
        }

        return $fields;
    }

    /** google.rpc.Status, whose class is in another package than google/protobuf. */
    private static function details(GrpcException $failure): string
    {
        $message = $failure->getMessage();
        $bytes = "\x08" . \chr($failure->status->value) . "\x12" . self::varint(\strlen($message)) . $message;
        foreach ($failure->details as $detail) {
            $any = $detail;
            if (!$any instanceof Any) {
                ($any = new Any())->pack($detail);
            }
            $any = $any->serializeToString();
            $bytes .= "\x1A" . self::varint(\strlen($any)) . $any;
        }

        return $bytes;
    }

    private static function varint(int $number): string
    {
        for ($bytes = ''; $number > 127; $number >>= 7) {
            $bytes .= \chr($number & 127 | 128);
        }

        return $bytes . \chr($number);
    }
}
