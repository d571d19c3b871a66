<?php

declare(strict_types=1);

namespace WorkerHost\Internal\Grpc;

use Google\Protobuf\Internal\Message;
use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\Context;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Bridge\Grpc\Stream;

/** @internal One method of a service, and of which of the four kinds its signature makes it. */
final class Method
{
    private function __construct(
        public readonly object $service,
        public readonly string $name,
        /** @var class-string<Message> */
        public readonly string $takes,
        public readonly bool $takesStream,
        /** @var class-string<Message>|null of a method that gives a stream nothing says it */
        public readonly ?string $gives,
        public readonly bool $givesStream,
    ) {
    }

    /**
     * Those of a service, by name. A public method is one if its first parameter is a message, or has #[Stream].
     *
     * @return non-empty-array<string, self>
     *
     * @throws \TypeError with a sentence on what is wrong
     */
    public static function of(object $service): array
    {
        $methods = [];
        foreach ((new \ReflectionObject($service))->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
            if (!$method->isStatic() && !\str_starts_with($method->name, '__')
                && ($one = self::read($service, $method)) !== null) {
                $methods[$method->name] = $one;
            }
        }
        if ($methods === []) {
            throw new \TypeError($service::class . ' has no method for gRPC: a public one whose first parameter is a '
                . 'class that protoc has generated, as in `Say(Hello $in): Hello`');
        }

        return $methods;
    }

    private static function read(object $service, \ReflectionMethod $method): ?self
    {
        $name = $service::class . '::' . $method->name . '()';
        $first = $method->getParameters()[0] ?? null;
        if ($first === null) {
            return null;
        }
        $stream = ($first->getAttributes(Stream::class)[0] ?? null)?->newInstance();
        $takes = $stream?->message ?? self::type($first->getType());
        if ($stream === null && !\is_subclass_of($takes, Message::class)) {
            return null;
        }
        if (!\is_subclass_of($takes, Message::class)) {
            throw new \TypeError("$name is said to get a stream of $takes, which is no class that protoc has "
                . 'generated, or is not loaded');
        }
        if ($stream !== null && !\in_array(self::type($first->getType()), ['iterable', 'Generator', 'Iterator',
            'Traversable', ''], true)) {
            throw new \TypeError("$name gets a stream: its first parameter is an iterable");
        }
        $gives = self::type($method->getReturnType());
        $givesStream = \in_array($gives, ['iterable', 'Generator', 'Iterator', 'Traversable'], true);
        if (!$givesStream && !\is_subclass_of($gives, Message::class)) {
            throw new \TypeError("$name has to say what it returns: a class that protoc has generated, or iterable "
                . 'for a stream');
        }
        $second = $method->getParameters()[1] ?? null;
        if ($second !== null && !\in_array(self::type($second->getType()), [Context::class, ''], true)
            || $method->getNumberOfRequiredParameters() > 2) {
            throw new \TypeError("$name takes a message or a stream, and a " . Context::class
                . ' if it likes, and nothing else');
        }

        return new self($service, $method->name, $takes, $stream !== null, $givesStream ? null : $gives,
            $givesStream);
    }

    /** Its name; '' if it is none, or several: `iterable` is Traversable|array to newer PHPs. */
    private static function type(?\ReflectionType $type): string
    {
        return match (true) {
            $type instanceof \ReflectionNamedType => $type->getName(),
            $type !== null && \in_array((string) $type, ['Traversable|array', 'iterable'], true) => 'iterable',
            default => '',
        };
    }

    /** Calls it: takes what it needs of the messages, and sends what it returns. @throws \Throwable its own */
    public function call(Messages $in, Context $context, Reply $reply): void
    {
        $out = $this->service->{$this->name}($this->takesStream ? $this->stream($in, $reply) : $this->one($in, $reply),
            $context);
        if (!$this->givesStream) {
            $reply->message($out->serializeToString());

            return;
        }
        foreach ($out as $message) {
            if (!$message instanceof Message) {
                throw new \TypeError($this->service::class . "::{$this->name}() gives a stream of messages that "
                    . 'protoc has generated; this one is ' . \get_debug_type($message));
            }
            $reply->message($message->serializeToString());
        }
        $reply->begin();
    }

    private function one(Messages $in, Reply $reply): Message
    {
        $bytes = $in->next();
        if ($bytes === null || $in->next() !== null) {
            throw new GrpcException(Code::Unimplemented, "{$this->name} takes one message, and the client has sent "
                . ($bytes === null ? 'none' : 'more'));
        }
        $reply->inTime();

        return $this->decode($bytes);
    }

    /** @return \Generator<int, Message> */
    private function stream(Messages $in, Reply $reply): \Generator
    {
        $reply->begin(); // once it has, the client may be silent for as long as it likes
        while (($bytes = $in->next()) !== null) {
            $reply->inTime();
            yield $this->decode($bytes);
        }
    }

    private function decode(string $bytes): Message
    {
        try {
            ($message = new $this->takes())->mergeFromString($bytes);
        } catch (\Exception $e) {
            throw new GrpcException(Code::Internal, "a message is no {$this->takes}: " . $e->getMessage(), [], $e);
        }

        return $message;
    }
}
