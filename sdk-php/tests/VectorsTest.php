<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\LinkError;
use WorkerHost\Internal\UnknownMessage;
use WorkerHost\Tests\Support\Vectors;

/** ext-msgpack and plain PHP read and refuse the same frames, those of protocol/vectors. */
final class VectorsTest extends TestCase
{
    /** @return iterable<string, array{Codec, \stdClass}> */
    public function valid(): iterable
    {
        yield from self::each(['valid.json', 'long.json'],
            static fn (\stdClass $vector): bool => !isset($vector->error));
    }

    /** @return iterable<string, array{Codec, \stdClass}> */
    public function invalid(): iterable
    {
        yield from self::each(['invalid.json', 'long.json'],
            static fn (\stdClass $vector): bool => isset($vector->error));
    }

    /**
     * @param list<string> $files
     *
     * @return iterable<string, array{Codec, \stdClass}>
     */
    private static function each(array $files, callable $wanted): iterable
    {
        $codecs = ['plain' => new Codec(false)];
        if (extension_loaded('msgpack')) {
            $codecs['ext-msgpack'] = new Codec(true);
        }
        foreach ($codecs as $name => $codec) {
            foreach ($files as $file) {
                foreach (Vectors::load($file) as $vector) {
                    if ($wanted($vector)) {
                        yield "$name, $file: {$vector->name}" => [$codec, $vector];
                    }
                }
            }
        }
    }

    /** @dataProvider valid */
    public function testAValidFrameIsRead(Codec $codec, \stdClass $vector): void
    {
        $message = self::read($codec, Vectors::bytes($vector->hex));
        $expected = Vectors::value($vector->message);
        self::assertEquals($expected, array_slice($message, 0, count($expected)));
    }

    /** @dataProvider valid */
    public function testAMessageThatIsWrittenIsReadAsItWas(Codec $codec, \stdClass $vector): void
    {
        $message = Vectors::value($vector->message);
        if (self::holdsObjects($message)) {
            // what an SDK steps over but never writes: extensions and maps that look like lists
            self::assertTrue(true);

            return;
        }
        $frame = $codec->frame($message);
        self::assertSame(bin2hex((new Codec(false))->frame($message)), bin2hex($frame));
        self::assertEquals($message, array_slice(self::read($codec, $frame), 0, count($message)));
    }

    /** @dataProvider invalid */
    public function testAnInvalidFrameIsRefused(Codec $codec, \stdClass $vector): void
    {
        $this->expectException(LinkError::class);
        self::read($codec, Vectors::bytes($vector->hex));
    }

    /** What the extension reads more of than it should is for the plain decoder, wherever in a message it stands. */
    public function testBothCodecsMakeTheSameOfMessagesWithAnyOneByteInThePlaceOfAnother(): void
    {
        if (!extension_loaded('msgpack')) {
            self::markTestSkipped('ext-msgpack is not loaded');
        }
        [$plain, $extension] = [new Codec(false), new Codec(true)];
        $read = static function (Codec $codec, string $payload): string {
            try {
                return serialize($codec->message($payload));
            } catch (LinkError | UnknownMessage $e) {
                return $e::class;
            }
        };
        $begin = "\xdc\x00\x12\x10\x01\x01\xa3GET\xa1/\xa31.1\xa4http\xa1h\xa1r\x94\xa1a\xa1b\xa1c\xa1d";
        $request = "$begin\xc4\x04body\x04\xc0\xc0\x01\xa2id\xa0\x64";
        self::assertSame('body', $extension->message($request)[10]);
        $payloads = [
            $request,
            "\x9b" . substr($begin, 3) . "\xc4\x00", // nothing behind the body
            "\x9c" . substr($begin, 3) . "\xc5\x01\x00" . str_repeat('x', 256) . "\xcd\x01\x00",
            "\x94\x13\x01\x00\xc4\x02ab", "\x95\x13\x01\x01\xc4\x02ab\x92\xa1a\xa1b", // DATA
            "\x96\x21\x01\x01\x93\xa1c\xa1t\xa1r\x01\xc4\x02ab", // MESSAGE
        ];
        $others = array_map(chr(...), [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x90, 0x94, 0xa0, 0xa1, 0xa4, 0xc0, 0xc2,
            0xc4, 0xc5, 0xc7, 0xca, 0xcc, 0xcd, 0xcf, 0xd4, 0xd9, 0xda, 0xdc, 0xde, 0xff]);
        foreach ($payloads as $payload) {
            for ($i = 0, $size = min(80, strlen($payload)); $i < $size; ++$i) {
                foreach ($others as $other) {
                    $changed = substr_replace($payload, $other, $i, 1);
                    self::assertSame($read($plain, $changed), $read($extension, $changed), bin2hex($changed));
                }
                $cut = substr($payload, 0, $i);
                self::assertSame($read($plain, $cut), $read($extension, $cut), bin2hex($cut));
            }
            self::assertSame($read($plain, "$payload\xc0"), $read($extension, "$payload\xc0"), bin2hex($payload));
        }
    }

    /** @return list<mixed> */
    private static function read(Codec $codec, string $frame): array
    {
        $length = Frame::length($frame, 0, Frame::MAX);
        if ($length === null || strlen($frame) !== 4 + $length) {
            throw new LinkError('a whole frame', LinkError::show($frame));
        }

        return $codec->message(substr($frame, 4));
    }

    private static function holdsObjects(mixed $value): bool
    {
        if ($value instanceof \stdClass) {
            return true;
        }
        foreach (is_array($value) ? $value : [] as $element) {
            if (self::holdsObjects($element)) {
                return true;
            }
        }

        return false;
    }
}
