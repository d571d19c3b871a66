<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Leaks;

/**
 * @internal Where what outlives a request hangs: static properties, static variables, globals, and what the worker was
 * given to run. What belongs to the SDK is left out.
 */
final class Roots
{
    /** Filled anew for each request, so that nothing stays in them. */
    private const FRESH = ['GLOBALS', '_GET', '_POST', '_COOKIE', '_FILES', '_REQUEST', '_SERVER', '_SESSION', 'argv',
        'argc'];

    /** How many classes and functions have been looked through. */
    private int $classes = 0;
    /** @var array<string, true> */
    private array $functions = [];
    /** @var list<\ReflectionProperty> */
    private array $properties = [];
    /** @var list<\ReflectionFunctionAbstract> those with static variables */
    private array $keepers = [];
    private readonly string $sdk;

    /** @param array<string, mixed> $given what the worker was given to run, by what it was given to */
    public function __construct(private readonly array $given)
    {
        $this->sdk = \dirname(__DIR__, 2) . \DIRECTORY_SEPARATOR;
    }

    /** @return \Generator<array{string, mixed, string, string}> path, value, class and property */
    public function all(): \Generator
    {
        $this->find();
        foreach ($this->properties as $property) {
            if ($property->isInitialized()) {
                $path = "$property->class::$$property->name";
                yield [$path, $property->getValue(), $property->class, $property->name];
            }
        }
        foreach ($this->keepers as $keeper) {
            [$class, $name] = $keeper instanceof \ReflectionMethod ? [$keeper->class, "$keeper->class::$keeper->name"]
                : ['', $keeper->name];
            foreach (Walk::variables($keeper) as $variable => $value) {
                yield ["$name() static \$$variable", $value, $class, "$keeper->name() \$$variable"];
            }
        }
        foreach (\array_keys($GLOBALS) as $name) {
            if (!\in_array($name, self::FRESH, true)) {
                yield ["global \$$name", $GLOBALS[$name], '', "$$name"];
            }
        }
        foreach ($this->given as $to => $what) {
            yield ["$to()", $what, '', ''];
        }
    }

    /** Looks through what was declared since the last time. */
    private function find(): void
    {
        $classes = \get_declared_classes();
        for ($count = \count($classes); $this->classes < $count; ++$this->classes) {
            $class = new \ReflectionClass($classes[$this->classes]);
            if ($class->isInternal() || \str_starts_with((string) $class->getFileName(), $this->sdk)) {
                continue;
            }
            foreach ($class->getProperties(\ReflectionProperty::IS_STATIC) as $property) {
                if ($property->class === $class->name) { // others are the parent's
                    $this->properties[] = $property;
                }
            }
            foreach ($class->getMethods() as $method) {
                if ($method->class === $class->name && !$method->isInternal()) {
                    $this->keep($method);
                }
            }
        }
        foreach (\get_defined_functions()['user'] as $name) {
            if (!isset($this->functions[$name])) {
                $this->functions[$name] = true;
                $this->keep(new \ReflectionFunction($name));
            }
        }
    }

    private function keep(\ReflectionFunctionAbstract $function): void
    {
        if (!\str_starts_with((string) $function->getFileName(), $this->sdk) && Walk::variables($function) !== []) {
            $this->keepers[] = $function;
        }
    }
}
