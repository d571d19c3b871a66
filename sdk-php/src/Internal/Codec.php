<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal Messages to bytes and back, with ext-msgpack where it is loaded; the results are the same without it. */
final class Codec
{
    /** Where a message has the bytes of a body. */
    private const BYTES = [Frame::REQUEST => 10, Frame::DATA => 3, Frame::MESSAGE => 5,
        Frame::FETCHED => 14];

    private readonly ?\MessagePack $extension;
    private readonly Msgpack $plain;

    /** @param bool|null $extension whether to use ext-msgpack; null: if it is loaded */
    public function __construct(?bool $extension = null)
    {
        // false: plain MessagePack. Otherwise the extension would make objects of certain maps.
        $this->extension = $extension ?? \class_exists(\MessagePack::class, false) ? new \MessagePack(false) : null;
        $this->plain = new Msgpack();
    }

    /**
     * @param list<mixed> $message
     *
     * @return string a whole frame: the length and the payload
     */
    public function frame(array $message): string
    {
        $payload = $this->extension === null ? Msgpack::pack($message) : $this->extension->pack($message);

        return \pack('N', \strlen($payload)) . $payload;
    }

    /**
     * @return list<mixed> a message of a known type, of the shape that SPEC.md gives it, defaults filled in
     *
     * @throws LinkError
     */
    public function message(string $payload): array
    {
        if ($this->extension !== null && \strlen($payload) < 16384) {
            $message = @$this->extension->unpack($payload);
            // The extension takes a map for a list, an extension type for nil, and more. What it would have written
            // itself it has read well; the rest is for the plain decoder.
            if (\is_array($message) && $this->same($message, $payload)) {
                return Message::check($message);
            }
        }

        return Message::check($this->plain->unpack($payload));
    }

    /**
     * Whether a message is what the extension would have written, but for the bytes of its body, which a host sends as
     * bin (SPEC.md §2.4).
     */
    private function same(array $message, string $payload): bool
    {
        $at = \is_int($type = $message[0] ?? null) ? self::BYTES[$type] ?? null : null;
        if ($at === null || !\is_string($bytes = $message[$at] ?? null) || !\array_is_list($message)) {
            return $this->extension->pack($message) === $payload;
        }
        $behind = \count($message) === $at + 1 ? ''
            : \substr($this->extension->pack(\array_slice($message, $at + 1)), 1); // fewer than 16 elements
        $message[$at] = ''; // one byte
        $size = \strlen($bytes);
        $bin = $size <= 0xff ? "\xc4" . \chr($size) : \pack('Cn', 0xc5, $size);

        return \substr($this->extension->pack($message), 0, -1 - \strlen($behind)) . $bin . $bytes . $behind
            === $payload;
    }
}
