<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Grpc;

use Google\Protobuf\DescriptorPool;

/** @internal What a .proto promises, out of the descriptor set that protoc writes, and whether services keep it. */
final class Protos
{
    /** @var array<string, array<string, array{string, bool, string, bool}>> service => method => takes, gives */
    private array $services = [];

    /** @throws \RuntimeException if the file is not what `protoc --descriptor_set_out` writes */
    public function __construct(private readonly string $path)
    {
        $set = @\file_get_contents($path);
        if ($set === false) {
            throw new \RuntimeException("$path, which new Grpc(protos: …) names, can not be read: protoc writes it "
                . 'with --descriptor_set_out');
        }
        try {
            foreach (self::all($set, 1) as $file) { // FileDescriptorSet of descriptor.proto
                $package = (string) (self::all($file, 2)[0] ?? '');
                foreach (self::all($file, 6) as $service) {
                    $name = ($package === '' ? '' : "$package.") . self::text($service, 1);
                    $this->services[$name] = [];
                    foreach (self::all($service, 2) as $method) {
                        $this->services[$name][self::text($method, 1)] = [
                            \ltrim(self::text($method, 2), '.'), (self::all($method, 5)[0] ?? 0) !== 0,
                            \ltrim(self::text($method, 3), '.'), (self::all($method, 6)[0] ?? 0) !== 0,
                        ];
                    }
                }
            }
        } catch (\UnexpectedValueException $e) {
            throw new \RuntimeException("$path is no descriptor set, as protoc writes it with --descriptor_set_out: "
                . $e->getMessage(), 0, $e);
        }
        if ($this->services === []) {
            throw new \RuntimeException("$path has no service");
        }
    }

    /** @return list<int|string> the values of a field */
    private static function all(int|string $message, int $number): array
    {
        $fields = Fields::of(\is_string($message) ? $message
            : throw new \UnexpectedValueException('a number is where a message should be'));

        return \array_values(\array_column(\array_filter($fields,
            static fn (array $field): bool => $field[0] === $number), 1));
    }

    private static function text(int|string $message, int $number): string
    {
        return (string) (self::all($message, $number)[0] ?? throw new \UnexpectedValueException('a name is missing'));
    }

    /**
     * What is wrong with a service.
     *
     * @param array<string, Method> $methods that it has
     *
     * @return list<string> sentences
     */
    public function complaints(string $service, array $methods): array
    {
        $class = (\reset($methods) ?: throw new \LogicException('a service has methods'))->service::class;
        $wanted = $this->services[$service] ?? null;
        if ($wanted === null) {
            return ["{$this->path} has no service $service; it has " . \implode(', ', \array_keys($this->services))];
        }
        $complaints = [];
        foreach ($wanted as $name => [$takes, $takesStream, $gives, $givesStream]) {
            $rpc = "`rpc $name(" . ($takesStream ? 'stream ' : '') . "$takes) returns ("
                . ($givesStream ? 'stream ' : '') . "$gives)`";
            $method = $methods[$name] ?? null;
            $why = match (true) {
                $method === null => 'is missing',
                $method->takesStream && !$takesStream => 'gets a stream',
                !$method->takesStream && $takesStream => 'gets one message',
                $method->givesStream && !$givesStream => 'gives a stream',
                !$method->givesStream && $givesStream => 'gives one message',
                self::name($method->takes) !== $takes => 'gets ' . self::name($method->takes),
                $method->gives !== null && self::name($method->gives) !== $gives => 'gives '
                    . self::name($method->gives),
                default => '',
            };
            if ($why !== '') {
                $complaints[] = "$class::$name() $why, and {$this->path} has $rpc";
            }
        }
        foreach (\array_diff_key($methods, $wanted) as $name => $method) {
            $complaints[] = "$class::$name() is no method of $service in {$this->path}";
        }

        return $complaints;
    }

    /** A message's name in its .proto. @param class-string $class */
    private static function name(string $class): string
    {
        new $class(); // which makes it known

        return DescriptorPool::getGeneratedPool()->getDescriptorByClassName($class)->getFullName();
    }
}
