<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use WorkerHost\Bridge\Grpc\Code;
use WorkerHost\Bridge\Grpc\Context;
use WorkerHost\Bridge\Grpc\GrpcException;
use WorkerHost\Handler;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Internal\Failure;
use WorkerHost\Internal\Fibers\Scheduler;
use WorkerHost\Internal\Grpc\Fields;
use WorkerHost\Internal\Grpc\Messages;
use WorkerHost\Internal\Grpc\Metadata;
use WorkerHost\Internal\Grpc\Method;
use WorkerHost\Internal\Grpc\Protos;
use WorkerHost\Internal\Grpc\Reply;
use WorkerHost\Internal\WebCode;
use WorkerHost\RequestCancelled;

/**
 * Serves gRPC: calls of all four kinds, by plain classes, with messages of google/protobuf.
 *
 *     final class Greeter
 *     {
 *         public function Say(Hello $in, Context $call): Hello { … }
 *         public function Many(Hello $in): iterable { yield …; }
 *         public function Gather(#[Stream(Hello::class)] iterable $in): Hello { … }
 *         public function Chat(#[Stream(Hello::class)] iterable $in): iterable { foreach ($in as $hello) yield …; }
 *     }
 *
 *     Worker::create()->onRequest((new Grpc())->service('demo.Greeter', new Greeter()))->run();
 *
 * Context and Stream are those of WorkerHost\Bridge\Grpc. What else a service's class has public is no method of gRPC.
 */
final class Grpc implements Handler
{
    private const CHECK = '/grpc.health.v1.Health/Check';

    /** @var array<string, object> by name; a \Closure makes the service when the worker starts */
    private array $services = [];
    /** @var array<string, Method>|null by path; null: not started */
    private ?array $methods = null;
    /** @var (callable(Request): mixed)|null */
    private $otherwise = null;

    /** @var (callable(string): bool)|null */
    private $healthy = null;

    /**
     * @param int         $maxMessage how many bytes a message of a client may have, once decompressed
     * @param string|null $protos     a file that `protoc --descriptor_set_out` has written: when the worker starts,
     *     the services have to have all of its methods for them, each of the right kind
     *
     * @throws \ValueError
     */
    public function __construct(private readonly int $maxMessage = 4 << 20, private readonly ?string $protos = null)
    {
        if ($maxMessage < 1) {
            throw new \ValueError("A message may have 1 byte or more, not $maxMessage");
        }
    }

    /**
     * Has a service answer. Its public methods whose first parameter is a message, or an iterable with #[Stream], are
     * those of the .proto, by the same names.
     *
     * @param string $name    package and service, as the .proto has them: `demo.Greeter`
     * @param object $service a \Closure is called once, when the worker starts, and returns it
     *
     * @throws \ValueError if there is one of that name already
     */
    public function service(string $name, object $service): self
    {
        if (isset($this->services[$name])) {
            throw new \ValueError("There is a service $name already");
        }
        $this->services[$name] = $service;

        return $this;
    }

    /**
     * Has requests that are not gRPC be answered, on the same port: pages, a health check. Without it they get 415.
     *
     * @param callable(Request): mixed $handler as onRequest() takes it; a Handler is started and stopped, too
     *
     * @throws \TypeError for the bridge of a framework, which would be without superglobals and output here
     */
    public function otherwise(callable $handler): self
    {
        if ($handler instanceof WebCode) {
            throw new \TypeError('Grpc::otherwise() takes no ' . $handler::class . ': give the framework a pool of '
                . 'its own, and each a [[route]] by path');
        }
        $this->otherwise = $handler;

        return $this;
    }

    /**
     * Has grpc.health.v1.Health/Check answer, for probes of load balancers and Kubernetes: SERVING for '' and for
     * each service here, NOT_FOUND for others. Its Watch is not there, which its clients take for health.
     *
     * @param (callable(string): bool)|null $serving gets the service's name, '' for all; false is NOT_SERVING
     */
    public function health(?callable $serving = null): self
    {
        $this->healthy = $serving ?? static fn (): bool => true;

        return $this;
    }

    /** Makes and looks at the services. @throws \Throwable if one is not as it should be: the boot has failed */
    public function start(): void
    {
        // all of it now, so that a deploy below a running worker is never mixed with it
        \array_map('class_exists', [Code::class, Context::class, Grpc\Stream::class, GrpcException::class,
            Messages::class, Metadata::class, Reply::class, Fields::class]);
        $this->methods = $complaints = [];
        $protos = $this->protos === null ? null : new Protos($this->protos);
        foreach ($this->services as $name => $service) {
            $service = $service instanceof \Closure ? $service() : $service;
            if (!\is_object($service)) {
                throw new \TypeError("The function given for the service $name returned " . \get_debug_type($service)
                    . ', not an object');
            }
            $methods = Method::of($service);
            foreach ($methods as $method) {
                $this->methods["/$name/{$method->name}"] = $method;
            }
            \array_push($complaints, ...$protos?->complaints($name, $methods) ?? []);
        }
        if ($complaints !== []) {
            throw new \TypeError(\implode('; ', $complaints));
        }
        if ($this->otherwise instanceof Handler) {
            $this->otherwise->start();
        }
    }

    /** Answers one request. */
    public function __invoke(Request $request): mixed
    {
        if ($this->methods === null) {
            $this->start();
        }
        $type = $request->header('content-type');
        if (\preg_match('~^application/grpc(\+proto)?\s*(;|$)~i', $type) !== 1) {
            return $this->otherwise !== null ? ($this->otherwise)($request)
                : Response::text("This is a gRPC server; its requests are application/grpc.\n", 415);
        }
        if ($request->method !== 'POST') {
            return Response::text("A call of gRPC is a POST.\n", 405, ['Allow' => 'POST']);
        }
        $encoding = $request->header('grpc-encoding', 'identity');
        $gzip = $encoding === 'gzip' && \function_exists('inflate_init');
        $takesGzip = \in_array('gzip', \preg_split('/\s*,\s*/', $request->header('grpc-accept-encoding')), true);
        $reply = new Reply($request, $gzip && $takesGzip);
        try {
            $reply->within(Metadata::timeout($request->header('grpc-timeout')));
            if (!$gzip && $encoding !== 'identity') {
                throw new GrpcException(Code::Unimplemented, "no message is decompressed from $encoding here");
            }
            $in = new Messages($request, $encoding, $this->maxMessage);
            if ($this->healthy !== null && $request->path === self::CHECK) {
                $this->check($in, $request, $reply);

                return $reply->end(null);
            }
            $method = $this->methods[$request->path] ?? throw $this->unknown($request->path);
            [, $service] = \explode('/', $request->path);
            self::run($method, $in, new Context($service, $method->name, $request, $reply), $reply);

            return $reply->end(null);
        } catch (GrpcException $e) {
            $reply->undo();

            return $reply->end($e);
        }
    }

    /** Calls the method, and has it give up when its client's time is up. @throws GrpcException whatever it throws */
    private static function run(Method $method, Messages $in, Context $call, Reply $reply): void
    {
        $timer = null;
        $late = false;
        if (($left = $reply->timeLeft()) !== null && ($strand = Scheduler::strand()) !== null) {
            $timer = Scheduler::reactor()->delay(\min($left, 1e9), static function () use ($strand, &$late): void {
                $late = true;
                $strand->cancel('the time that the client gave is up');
            });
        }
        try {
            $method->call($in, $call, $reply);
        } catch (GrpcException $e) {
            throw $e;
        } catch (RequestCancelled $e) {
            if (!$late || $call->request->isCancelled()) {
                throw $e;
            }
            throw new GrpcException(Code::DeadlineExceeded, 'the time that the client gave is up', [], $e);
        } catch (\Throwable $e) {
            Failure::log($e, $call->request);
            throw new GrpcException(Code::Internal, Failure::$dev ? Failure::summary($e) : 'internal error', [], $e);
        } finally {
            if ($timer !== null) {
                Scheduler::reactor()->cancel($timer);
            }
        }
    }

    /** grpc.health.v1.Health/Check @throws GrpcException */
    private function check(Messages $in, Request $request, Reply $reply): void
    {
        try {
            $asked = \array_column(Fields::of($in->next() ?? ''), 1, 0);
        } catch (\UnexpectedValueException $e) {
            throw new GrpcException(Code::Internal, 'a message is no HealthCheckRequest: ' . $e->getMessage());
        }
        $service = (string) ($asked[1] ?? '');
        if ($service !== '' && !isset($this->services[$service])) {
            throw new GrpcException(Code::NotFound, "there is no service $service here");
        }
        try {
            $serving = ($this->healthy)($service);
        } catch (\Throwable $e) { // whoever can't tell is not well
            Failure::log($e, $request);
            $serving = false;
        }
        $reply->message("\x08" . ($serving ? "\1" : "\2"));
    }

    private function unknown(string $path): GrpcException
    {
        $parts = \explode('/', $path);
        $name = $parts[1] ?? '';

        return new GrpcException(Code::Unimplemented, isset($this->services[$name])
            ? "the service $name has no method " . ($parts[2] ?? '') : "there is no service $name here");
    }

    /** Stops what otherwise() has been given, if that is a Handler. */
    public function stop(): void
    {
        if ($this->otherwise instanceof Handler) {
            $this->otherwise->stop();
        }
    }
}
