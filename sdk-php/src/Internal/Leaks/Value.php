<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

/** @internal A value that outlives requests, and where it stands. */
final class Value
{
    /** By how many bits the size stands above the rest of a print. */
    private const SHIFT = 31;
    private const REST = 0x7fffffff;

    /**
     * @param string $path     from a root
     * @param string $class    whose property it is, or is in; 'Closure' and '' have none
     * @param string $property its name
     */
    public function __construct(
        public readonly string $path,
        public readonly mixed $value,
        public readonly string $class,
        public readonly string $property,
    ) {
    }

    /** The path as a number, which takes less memory. */
    public function key(): int
    {
        return \unpack('q', \hash('xxh3', $this->path, true))[1];
    }

    /**
     * What tells it from itself later on: how many elements or bytes it has, and a sum. Of an object it is which one
     * it is, of an array what it has in it by itself, without other arrays and objects.
     */
    public function print(): int
    {
        $value = $this->value;

        return match (true) {
            \is_array($value) => \count($value) << self::SHIFT | self::sum($value),
            \is_string($value) => \strlen($value) << self::SHIFT | \crc32($value) & self::REST,
            \is_object($value) => self::held($value) << self::SHIFT
                | \crc32($value::class . '#' . \spl_object_id($value)) & self::REST,
            default => \crc32(self::text($value)) & self::REST,
        };
    }

    /** The prints of what is no value yet. @return list<int> */
    public static function nothing(): array
    {
        return \array_map(static fn (mixed $value): int => (new self('', $value, '', ''))->print(),
            [null, false, '', []]);
    }

    /** The size within a print. */
    public static function size(int $print): int
    {
        return $print >> self::SHIFT;
    }

    /** How many elements an object of PHP's own has. */
    private static function held(object $value): int
    {
        return $value instanceof \WeakMap ? \count($value) : 0;
    }

    /** @param array<mixed> $array */
    private static function sum(array $array): int
    {
        $sum = 0;
        foreach ($array as $key => $value) {
            $text = \is_array($value) || \is_object($value) ? '' : self::text($value);
            $sum = ($sum * 33 ^ \crc32("$key\0$text")) & self::REST;
        }

        return $sum;
    }

    private static function text(mixed $value): string
    {
        return match (true) {
            \is_string($value) => "s$value",
            \is_resource($value) => 'r' . \get_resource_id($value),
            \is_float($value) => 'f' . $value,
            default => \get_debug_type($value) . \var_export($value, true),
        };
    }

    /** What it is, in words, without what it says, which may be secret. */
    public function kind(): string
    {
        return self::named($this->value);
    }

    /** The last element of an array, or of a store of PHP's own, in words. */
    public function newest(): string
    {
        $value = $this->value;

        return \is_array($value) && $value !== [] ? self::named($value[\array_key_last($value)]) : '';
    }

    private static function named(mixed $value): string
    {
        if ($value instanceof \Closure) {
            $function = new \ReflectionFunction($value);
            $file = $function->getFileName();

            return 'a closure' . ($file === false ? '' : " of $file:{$function->getStartLine()}");
        }

        return \get_debug_type($value);
    }
}
