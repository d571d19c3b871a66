<?php

declare(strict_types=1);

// A chat: rooms, who is there, the last messages, and the page for the browser. README.md says how to try it.
// This process keeps no connection and no message, so that it can be replaced at any time: the host has the one,
// src/History.php the other.

use Chat\{Chat, History, Page};
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Chat\\')) {
        require __DIR__ . '/src/' . substr($class, 5) . '.php';
    }
});

$data = getenv('CHAT_DATA') ?: __DIR__ . '/var';
$worker = Worker::create();
$chat = new Chat($worker, new History($data));

$worker
    ->onStart(static function () use ($data): void {
        if (!is_dir($data) && !@mkdir($data, 0770, true) && !is_dir($data)) {
            throw new RuntimeException("can't create $data: make it, or name another folder in CHAT_DATA");
        }
    })
    ->onOpen($chat->open(...))
    ->onMessage($chat->message(...))
    ->onClose($chat->close(...))
    ->every(0.5, $chat->announce(...))
    ->onRequest(new Page($worker))
    ->run();
