<?php

declare(strict_types=1);

// A conversation with a language model, for which no PHP process waits. README.md says how to try it.
// This process keeps nothing: the host has the streams, src/Store.php the conversations.

use ChatAi\{Chat, Model, Page, Store};
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'ChatAi\\')) {
        require __DIR__ . '/src/' . substr($class, 7) . '.php';
    }
});

$worker = Worker::create();
$store = new Store(getenv('CHAT_DATA') ?: __DIR__ . '/var');
$model = new Model((string) getenv('MODEL_URL'), (string) getenv('MODEL_NAME'));
$chat = new Chat($worker, $store, $model);

$worker
    ->onFork($store->open(...))
    ->onRequest(new Page($worker, $chat, $store, $model))
    ->onFetched($chat->fetched(...))
    ->onFetchFailed($chat->failed(...))
    ->run();
