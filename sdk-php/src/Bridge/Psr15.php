<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Psr\Http\Message\ServerRequestFactoryInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Message\StreamFactoryInterface;
use Psr\Http\Message\UploadedFileFactoryInterface;
use Psr\Http\Message\UploadedFileInterface;
use Psr\Http\Message\UriFactoryInterface;
use Psr\Http\Server\RequestHandlerInterface;
use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Http\UploadedFile;
use WorkerHost\Internal\Form;
use WorkerHost\Internal\Superglobals;
use WorkerHost\Internal\WebCode;

/**
 * Runs a PSR-15 request handler, with the PSR-17 factories of any PSR-7 library.
 *
 *     $psr17 = new Nyholm\Psr7\Factory\Psr17Factory();
 *     Worker::create()->onRequest(Psr15::create($handler, $psr17, $psr17, $psr17, $psr17))->run();
 *
 * Given to onRequest() it fills the superglobals, too, php://input aside; what the code prints comes before the body,
 * and header(), setcookie() and session_start() add their fields, of which those of the response itself win.
 */
final class Psr15 implements WebCode
{
    private ?RequestHandlerInterface $handler = null;

    /** @param RequestHandlerInterface|callable(): RequestHandlerInterface $source */
    private function __construct(
        private readonly mixed $source,
        private readonly ServerRequestFactoryInterface $requests,
        private readonly StreamFactoryInterface $streams,
        private readonly UploadedFileFactoryInterface $files,
        private readonly UriFactoryInterface $uris,
    ) {
    }

    /**
     * @param RequestHandlerInterface|callable(): RequestHandlerInterface $handler a function makes the handler when
     *     the worker starts
     */
    public static function create(
        RequestHandlerInterface|callable $handler,
        ServerRequestFactoryInterface $requests,
        StreamFactoryInterface $streams,
        UploadedFileFactoryInterface $files,
        UriFactoryInterface $uris,
    ): self {
        return new self($handler, $requests, $streams, $files, $uris);
    }

    /**
     * Makes the handler, if a function makes it. A throw is a failed boot, and so is anything but a handler
     * (\TypeError).
     */
    public function start(): void
    {
        $handler = $this->source instanceof RequestHandlerInterface ? $this->source : ($this->source)();
        if (!$handler instanceof RequestHandlerInterface) {
            throw new \TypeError('The function given to Psr15::create() returned ' . \get_debug_type($handler)
                . ', not a RequestHandlerInterface');
        }
        $this->handler = $handler;
    }

    /** Answers a request with what the handler returns for it; what the handler throws goes to the worker. */
    public function __invoke(Request $request): Response
    {
        if ($this->handler === null) {
            $this->start();
        }

        return Psr7::response($this->handler->handle($this->request($request)));
    }

    /** Does nothing: a PSR-15 handler has no end. */
    public function stop(): void
    {
    }

    /**
     * The same request in PSR-7. Its body is read from the client as the handler reads it, except for a urlencoded
     * form, which is parsed.
     */
    public function request(Request $request): ServerRequestInterface
    {
        $target = \str_starts_with($request->target, '/') ? $request->target : '/';
        $uri = $this->uris->createUri(($request->host !== '' ? "{$request->scheme}://{$request->host}" : '')
            . $target);
        $psr = $this->requests->createServerRequest($request->method, $uri, Superglobals::server($request));
        if ($target !== $request->target) {
            $psr = $psr->withRequestTarget($request->target);
        }
        foreach ($request->headers as $name => $values) {
            $psr = $psr->withHeader((string) $name, $values);
        }
        $form = $request->form;
        $psr = $psr
            ->withProtocolVersion($request->protocolVersion)
            ->withQueryParams($request->query)
            ->withCookieParams(Form::cookies($request->header('cookie')))
            ->withUploadedFiles(Form::tree($request->files, $this->file(...)))
            ->withBody($this->streams->createStreamFromResource($request->stream()));
        if ($form !== [] || \preg_match('~^(multipart/form-data|application/x-www-form-urlencoded)\b~i',
            $request->header('content-type')) === 1) {
            $psr = $psr->withParsedBody($form);
        }
        foreach ($request->attributes as $name => $value) {
            $psr = $psr->withAttribute($name, $value);
        }

        return $psr;
    }

    private function file(UploadedFile $file): UploadedFileInterface
    {
        $stream = $file->error === \UPLOAD_ERR_OK ? $this->streams->createStreamFromFile($file->path)
            : $this->streams->createStream();

        return $this->files->createUploadedFile($stream, $file->size, $file->error, $file->name, $file->type);
    }
}
