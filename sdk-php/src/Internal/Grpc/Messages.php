<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Grpc;

use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Http\Request;
use WorkerHost\Internal\Exchange;

/**
 * @internal The messages that a client sends: each is a byte that says whether it is compressed, four of its length,
 *     and itself.
 */
final class Messages
{
    private readonly ?Exchange $exchange;
    /** What has come and is not taken yet, from $at on. */
    private string $input = '';
    private int $at = 0;

    /** @param string $encoding grpc-encoding @param int $most how long a message may be, once decompressed */
    public function __construct(Request $request, private readonly string $encoding, private readonly int $most)
    {
        $this->exchange = $request->exchange();
        if ($this->exchange === null) {
            $this->input = $request->body();
        }
    }

    /**
     * The next message; null: there are no more.
     *
     * @throws GrpcException                if it is malformed, or too long
     * @throws \WorkerHost\RequestCancelled if the rest will not come
     */
    public function next(): ?string
    {
        if (!$this->have(5)) {
            if (\strlen($this->input) === $this->at) {
                return null;
            }
            throw new GrpcException(Code::Internal, 'the request ends within the head of a message');
        }
        $compressed = \ord($this->input[$this->at]);
        $length = \unpack('N', $this->input, $this->at + 1)[1];
        if ($compressed > 1) {
            throw new GrpcException(Code::Internal, "a message begins with $compressed in place of 0 or 1");
        }
        $this->fits($length);
        if (!$this->have(5 + $length)) {
            throw new GrpcException(Code::Internal, "the request ends within a message of $length bytes");
        }
        $bytes = \substr($this->input, $this->at + 5, $length);
        $this->at += 5 + $length;

        return $compressed === 1 ? $this->decompress($bytes) : $bytes;
    }

    private function have(int $bytes): bool
    {
        if (\strlen($this->input) - $this->at >= $bytes) {
            return true;
        }
        $pieces = [\substr($this->input, $this->at)];
        $this->at = 0;
        for ($have = \strlen($pieces[0]); $have < $bytes; $have += \strlen($more)) {
            $more = $this->exchange?->read(\PHP_INT_MAX) ?? '';
            if ($more === '') {
                break;
            }
            $pieces[] = $more;
        }
        $this->input = \implode('', $pieces);

        return $have >= $bytes;
    }

    private function fits(int $length): void
    {
        if ($length > $this->most) {
            throw new GrpcException(Code::ResourceExhausted,
                "a message is longer than the {$this->most} bytes that this server takes");
        }
    }

    private function decompress(string $bytes): string
    {
        if ($this->encoding !== 'gzip') {
            throw new GrpcException(Code::Internal, 'a message is compressed, and grpc-encoding does not say how');
        }
        $inflate = \inflate_init(\ZLIB_ENCODING_GZIP);
        $whole = '';
        foreach (\str_split($bytes, 4096) as $piece) { // a little may become a thousand times as much
            $more = @\inflate_add($inflate, $piece);
            if ($more === false) {
                break;
            }
            $whole .= $more;
            $this->fits(\strlen($whole));
        }
        if (\inflate_get_status($inflate) !== \ZLIB_STREAM_END) {
            throw new GrpcException(Code::Internal, 'a message is not what gzip writes');
        }

        return $whole;
    }
}
