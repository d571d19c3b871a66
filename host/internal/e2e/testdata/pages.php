<?php
// pages.php is the application of most tests, one path a behaviour. The harness puts the SDK before it and a version
// in the place of @VERSION@.
use WorkerHost\Log;

const VERSION = '@VERSION@';

/** Leaves word of who works on this: a test that reads the file knows that the request has begun. */
function begun(string $name): void
{
    file_put_contents(__DIR__ . "/$name.new", (string) getmypid());
    rename(__DIR__ . "/$name.new", __DIR__ . "/$name");
}

/** @return list<string|int> */
function digest($stream): array
{
    $hash = hash_init('sha256');
    $size = 0;
    while (!feof($stream)) {
        $bytes = fread($stream, 65536);
        $size += strlen($bytes);
        hash_update($hash, $bytes);
    }

    return [$size, hash_final($hash)];
}

function steps(int $count, int $milliseconds): Generator
{
    try {
        for ($i = 1; $i <= $count; $i++) {
            yield "step $i\n";
            usleep($milliseconds * 1000);
        }
        yield 'end ' . VERSION . "\n";
    } finally {
        file_put_contents(__DIR__ . '/stopped', "after step $i");
    }
}

function blocks(int $bytes): Generator
{
    $block = str_repeat('0123456789abcdef', 4096);
    for (; $bytes > 0; $bytes -= strlen($block)) {
        yield $bytes < strlen($block) ? substr($block, 0, $bytes) : $block;
    }
}

function page(Request $request): mixed
{
    $query = $request->query;
    if ($request->path !== '/hello' && $request->path !== '/pid') { // too many under load
        fwrite(STDERR, "seen $request->method $request->target\n");
    }
    switch ($request->path) {
        case '/hello':
            return Response::text('hello ' . VERSION);
        case '/pid':
            return Response::text((string) getmypid());
        case '/echo':
            return Response::json([
                'method' => $request->method, 'target' => $request->target, 'version' => $request->protocolVersion,
                'scheme' => $request->scheme,
                'host' => $request->host, 'remote' => $request->remoteAddress, 'headers' => $request->headers,
                'query' => $query,
                'body' => $request->body(), 'form' => $request->form, 'trailers' => $request->trailers,
                'tls' => $request->tls, 'length' => $request->length,
            ]);
        case '/sum':
            return Response::text(VERSION . ' ' . strlen($request->body()) . ' ' . hash('sha256', $request->body()));
        case '/digest':
            return Response::text(implode(' ', digest($request->stream())));
        case '/unread':
            return Response::text('not read');
        case '/slow':
            begun('slow');
            usleep(1000 * (int) $query['ms']);

            return Response::text('slow ' . VERSION);
        case '/until': // answers once the test has written the file
            begun('until');
            while (!file_exists(__DIR__ . '/go')) {
                usleep(5000);
                clearstatcache();
            }

            return Response::text('went ' . VERSION);
        case '/once': // the first attempt never ends
            begun('once');
            if ($request->attempt === 1) {
                sleep(60);
            }

            return Response::text("attempt $request->attempt");
        case '/steps':
            return Response::stream(steps((int) $query['n'], (int) $query['ms']),
                headers: ['Content-Type' => 'text/plain']);
        case '/blocks':
            return Response::stream(blocks((int) $query['bytes']));
        case '/string':
            return new Response(200, [], str_repeat('s', (int) $query['bytes']));
        case '/file':
            return Response::file(__DIR__ . '/' . $query['name']);

        // ends
        case '/throw':
            throw new LogicException('the secret of the code');
        case '/exit':
            exit(3);
        case '/memory':
            $all = [];
            while (true) {
                $all[] = str_repeat('m', 1 << 20);
            }
            // no break
        case '/loop':
            while (true) {
            }
            // no break
        case '/half':
            return Response::stream((static function () {
                yield str_repeat('h', 1000);
                exit(4);
            })());
        case '/throw-half':
            return Response::stream((static function () {
                yield str_repeat('h', 1000);
                throw new LogicException('in the middle');
            })());

        // prints
        case '/print':
            echo 'by-echo ';
            print_r(['by-print_r']);
            var_dump('by-var_dump');
            trigger_error('by-warning', E_USER_WARNING);
            fwrite(STDOUT, "by-stdout\n");
            fwrite(STDERR, "by-stderr\n");
            file_put_contents('php://output', "by-output\n");
            file_put_contents('php://stdout', "by-php-stdout\n");
            system('echo by-system; echo by-system-stderr >&2');
            passthru('echo by-passthru');
            error_log('by-error_log');
            ob_start();
            echo 'by-forgotten-buffer';

            return Response::text('read ' . strlen((string) fgets(STDIN)) . ' ' . strlen((string) shell_exec('cat')));
        case '/garbage':
            fwrite(fopen('php://fd/4', 'wb'), "rubbish on the wire\n");
            sleep(60);

            return 'never';

        // HTTP
        case '/hints':
            $request->earlyHints(['</style.css>; rel=preload']);

            return Response::text('hinted');
        case '/trailer':
            $request->body();

            return Response::text('with a trailer')
                ->withTrailer('X-Sum', fn () => 'sum-' . ($request->trailers['x-in'][0] ?? 'none'));
        case '/status':
            return new Response((int) $query['code'], ['X-Own' => 'kept', 'ETag' => '"tag"'], $query['body'] ?? '');
        case '/repeat':
            return (new Response(200, ['X-Many' => ['one', 'two']]))->withCookie('a', '1')->withCookie('b', '2');
        case '/form':
            $files = [];
            foreach ($request->files as $file) {
                $files[] = ['field' => $file->field, 'name' => $file->name, 'type' => $file->type,
                    'size' => $file->size, 'error' => $file->error, 'path' => $file->path,
                    'sum' => $file->path === '' ? '' : hash_file('sha256', $file->path)];
                if ($file->field === 'keep') {
                    $file->moveTo(__DIR__ . '/kept');
                }
            }

            return Response::json(['form' => $request->form, 'files' => $files, 'body' => $request->body()]);
        case '/child':
            exec('sleep 300 >/dev/null 2>&1 & echo $!', $lines);

            return Response::text($lines[0]);
    }

    return Response::text("no page {$request->path}", 404);
}

Worker::create()
    ->onStop(function (): void {
        fwrite(STDERR, 'stopped in good order: ' . getmypid() . "\n");
    })
    ->onRequest(page(...))
    ->run();
