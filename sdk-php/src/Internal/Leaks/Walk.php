<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

/**
 * @internal A walk over all that outlives a request: from the roots through arrays and objects, the nearest first, to
 * a bounded number of values. Each object is entered once. Nothing of the code's own is called but the inTransaction()
 * of a PDO, and nothing is copied.
 */
final class Walk
{
    /** How many values are looked at. */
    private const MOST = 200_000;
    private const DEPTH = 40;
    /** What PHP keeps out of an object's properties: which class has it, by which method. */
    private const STORES = [
        \ArrayObject::class => 'getArrayCopy', \ArrayIterator::class => 'getArrayCopy',
        \SplObjectStorage::class => '__debugInfo', \SplDoublyLinkedList::class => '__debugInfo',
        \SplHeap::class => '__debugInfo', \SplPriorityQueue::class => '__debugInfo',
        \SplFixedArray::class => 'toArray',
    ];

    /** Whether there was more. */
    public bool $cut = false;
    /** @var list<array{string, string, string}> path, class and property of each PDO in a transaction */
    public array $transactions = [];

    private int $count = 0;
    /** @var array<int, true> */
    private array $seen = [];
    /** @var list<array{string, mixed, string, string, int, mixed}> path, value, class, property, depth, mark */
    private array $waiting = [];
    private int $next = 0;

    /**
     * @param \Closure(Value, mixed): mixed $visit is told of each value with what it has given back for the one that
     *     holds it; null for a root
     */
    private function __construct(private readonly \Closure $visit)
    {
    }

    /**
     * Walks from the roots.
     *
     * @param iterable<array{string, mixed, string, string}> $roots path, value, class and property
     * @param \Closure(Value, mixed): mixed                  $visit
     */
    public static function over(iterable $roots, \Closure $visit): self
    {
        $walk = new self($visit);
        foreach ($roots as [$path, $value, $class, $property]) {
            $walk->meet($path, $value, $class, $property, 0, null);
        }
        while (isset($walk->waiting[$walk->next])) {
            $at = $walk->waiting[$walk->next];
            unset($walk->waiting[$walk->next++]);
            if (\is_array($at[1])) {
                $walk->elements(...$at);
            } else {
                try {
                    $walk->parts(...$at);
                } catch (\Throwable) {
                    $walk->cut = true; // an object of an extension that does not show what it has
                }
            }
        }

        return $walk;
    }

    private function meet(string $path, mixed $value, string $class, string $property, int $depth, mixed $mark): void
    {
        if (++$this->count > self::MOST || $depth > self::DEPTH) {
            $this->cut = true;

            return;
        }
        $mark = ($this->visit)(new Value($path, $value, $class, $property), $mark);
        if (\is_array($value)) {
            $value === [] || $this->waiting[] = [$path, $value, $class, $property, $depth + 1, $mark];
        } elseif (\is_object($value) && !isset($this->seen[$id = \spl_object_id($value)])) {
            $this->seen[$id] = true;
            if ($value instanceof \PDO && self::isInTransaction($value)) {
                $this->transactions[] = [$path, $class, $property];
            }
            if (self::isOpen($value)) {
                $this->waiting[] = [$path, $value, $class, $property, $depth + 1, $mark];
            }
        }
    }

    private static function isInTransaction(\PDO $pdo): bool
    {
        try {
            return $pdo->inTransaction();
        } catch (\Throwable) {
            return false; // it has no connection
        }
    }

    /** Whether what the object holds is the code's: not what the SDK keeps, and what PHP makes anew when asked. */
    private static function isOpen(object $value): bool
    {
        if ($value instanceof \UnitEnum || $value instanceof \WeakReference || $value instanceof \WeakMap
            || $value instanceof \Generator || $value instanceof \Fiber || $value instanceof \Reflector
            || $value instanceof \SimpleXMLElement) {
            return false;
        }
        $class = $value::class;

        return !\str_starts_with($class, 'WorkerHost\\') || \str_starts_with($class, 'WorkerHost\\Bridge\\');
    }

    /** @param array<mixed> $array */
    private function elements(string $path, array $array, string $class, string $property, int $depth,
        mixed $mark): void
    {
        foreach ($array as $key => $value) {
            if (\is_array($value) || \is_object($value)) { // the rest is part of the array's own mark
                $at = \is_int($key) ? $key : "'$key'";
                $this->meet("{$path}[$at]", $value, $class, $property, $depth, $mark);
            }
        }
    }

    private function parts(string $path, object $object, string $class, string $property, int $depth,
        mixed $mark): void
    {
        if ($object instanceof \Closure) {
            $function = new \ReflectionFunction($object);
            foreach (self::variables($function) as $name => $value) {
                $this->meet("$path use(\$$name)", $value, 'Closure', "$$name", $depth, $mark);
            }
            if (($this_ = $function->getClosureThis()) !== null) {
                $this->meet("$path \$this", $this_, 'Closure', '$this', $depth, $mark);
            }

            return;
        }
        foreach (self::STORES as $store => $method) {
            if ($object instanceof $store) {
                $held = (new \ReflectionMethod($store, $method))->invoke($object);
                $held = $method === '__debugInfo' ? \end($held) : $held; // behind flags
                $this->meet("{$path}{}", $held, $class, $property, $depth, $mark);
            }
        }
        // Unlike get_mangled_object_vars() the cast leaves nothing in the object, which would be memory of its own.
        $vars = $object instanceof \ArrayObject || $object instanceof \ArrayIterator
            ? \get_mangled_object_vars($object) : (array) $object;
        foreach ($vars as $name => $value) {
            $of = $object::class;
            $name = (string) $name;
            if ($name !== '' && $name[0] === "\0") { // private or protected
                [, $declared, $name] = \explode("\0", $name, 3);
                $of = $declared === '*' ? $of : $declared;
            }
            $this->meet("{$path}->$name", $value, $of, $name, $depth, $mark);
        }
    }

    /** The static variables of a function, and those that a closure has brought. @return array<string, mixed> */
    public static function variables(\ReflectionFunctionAbstract $function): array
    {
        try {
            return $function->getStaticVariables();
        } catch (\Throwable) {
            return []; // what one of them begins with can't be worked out
        }
    }
}
