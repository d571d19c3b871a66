<?php

declare(strict_types=1);

// Keys and values over TCP, a command a line. README.md says how to try it.

use LineServer\{Commands, Store};
use WorkerHost\{Connection, Log, Worker};

require __DIR__ . '/../../sdk-php/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'LineServer\\')) {
        require __DIR__ . '/src/' . substr($class, 11) . '.php';
    }
});

$data = getenv('STORE_DATA') ?: __DIR__ . '/var';
$worker = Worker::create();
$commands = new Commands($worker, new Store("$data/values.json"));

$worker
    ->onStart(static function () use ($data): void {
        if (!is_dir($data) && !@mkdir($data, 0770, true) && !is_dir($data)) {
            throw new RuntimeException("can't create $data: make it, or name another folder in STORE_DATA");
        }
    })
    ->onOpen(static function (Connection $c): void {
        $c->session['commands'] = 0;
        $c->send('HELLO, I keep values. HELP tells how.');
    })
    ->onMessage(static fn (Connection $c, string $line) => $commands->run($c, $line))
    ->onClose(static fn (Connection $c, int $code) =>
        Log::info('a client has left', ['commands' => $c->session['commands'], 'code' => $code]))
    ->run();
