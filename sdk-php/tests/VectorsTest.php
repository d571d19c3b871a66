<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Internal\Codec;
use WorkerHost\Internal\Frame;
use WorkerHost\Internal\LinkError;
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
