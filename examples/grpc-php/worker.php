<?php

// A gRPC server in PHP: sums.proto says what it can be asked, Sums.php answers.

declare(strict_types=1);

use WorkerHost\Bridge\Grpc;
use WorkerHost\Http\Response;
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';

// With Composer and google/protobuf all of this is vendor/autoload.php.
spl_autoload_register(static function (string $class): void {
    $file = strtr($class, '\\', '/') . '.php';
    foreach ([__DIR__, __DIR__ . '/generated', '/usr/share/php'] as $folder) { // protoc's, Debian's
        if (is_file("$folder/$file")) {
            require "$folder/$file";

            return;
        }
    }
});

Worker::create()
    ->concurrency(1000) // streams in each worker: a stream counts as one request for as long as it lasts
    ->onRequest((new Grpc(protos: __DIR__ . '/sums.pb')) // without a method of it the worker does not start
        ->service('workerhost.sums.v1.Sums', new Sums())
        ->health()
        ->otherwise(fn (): Response => Response::text("This is a gRPC server: see sums.proto.\n")))
    ->run();
