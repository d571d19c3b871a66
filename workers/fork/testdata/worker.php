<?php

declare(strict_types=1);

// A worker that tells what the template's work is to it. What it does otherwise the environment says.

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Worker;

require __DIR__ . '/../../../sdk-php/autoload.php';

$note = static fn (string $what): int|false
    => file_put_contents($_SERVER['NOTES'], "$what " . getmypid() . "\n", FILE_APPEND);

final class Destroyed
{
    public function __construct(private readonly Closure $note)
    {
    }

    public function __destruct()
    {
        ($this->note)('destructor');
    }
}

register_shutdown_function(static fn () => $note('shutdown'));
$kept = new Destroyed($note);
$loaded = getmypid();
$worker = Worker::create();
$opened = [];
$worker
    ->onStart(static function () use ($note, &$opened): void {
        $note('start');
        mt_rand();
        echo "printed by the template\n";
        match ($_SERVER['MANNER'] ?? '') {
            'throws' => throw new RuntimeException('no such table'),
            'exits' => exit(3),
            'connects' => $opened[] = stream_socket_client($_SERVER['SERVER']),
            'opens' => $opened = [fopen('/etc/passwd', 'rb'), fopen($_SERVER['NOTES'], 'ab')],
            'logs' => $opened[] = fopen($_SERVER['NOTES'], 'ab'),
            default => null,
        };
    })
    ->onFork(static function () use ($note, $worker): void {
        $note('fork');
        fwrite(STDERR, 'slot ' . $worker->place()->slot . " of process " . getmypid() . "\n");
        if (($_SERVER['MANNER'] ?? '') === 'forkless') {
            throw new RuntimeException('no database');
        }
    })
    ->onRequest(static function (Request $request) use ($loaded, $worker): Response {
        switch ($request->path) {
            case '/exit':
                exit(3);
            case '/fatal':
                ini_set('memory_limit', '64M');
                str_repeat('x', 100 << 20);
                // no break
            case '/hang':
                usleep(60_000_000);
                // no break
            case '/grow':
                $GLOBALS['grown'][] = str_repeat(random_bytes(1), 20 << 20);
        }

        return Response::json(['pid' => getmypid(), 'parent' => posix_getppid(), 'group' => posix_getpgid(0),
            'loaded' => $loaded, 'drawn' => mt_rand(), 'slot' => $worker->place()->slot,
            'open' => count(scandir('/proc/self/fd'))]);
    })
    ->onStop(static fn () => $note('stop'))
    ->run();
$note('returned');
