<?php

declare(strict_types=1);

namespace WorkerHost\Internal;

/** @internal Messages to bytes and back, with ext-msgpack where it is loaded; the results are the same without it. */
final class Codec
{
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
            if (\is_array($message) && (($message[0] ?? null) === Frame::MESSAGE && $this->same($message, $payload)
                || $this->extension->pack($message) === $payload)) {
                return Message::check($message);
            }
        }

        return Message::check($this->plain->unpack($payload));
    }

    /**
     * Whether a MESSAGE is what the extension would have written, but for its bytes, which a host sends as bin
     * (SPEC.md §9.5).
     */
    private function same(array $message, string $payload): bool
    {
        if (\count($message) !== 6 || !\is_string($bytes = $message[5] ?? null)) {
            return false;
        }
        unset($message[5]);
        $size = \strlen($bytes);
        $bin = $size <= 0xff ? "\xc4" . \chr($size) : \pack('Cn', 0xc5, $size);

        return "\x96" . \substr($this->extension->pack($message), 1) . $bin . $bytes === $payload;
    }
}
