<?php

declare(strict_types=1);

use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;

$kernel = (require __DIR__ . '/bootstrap/app.php')->make(Kernel::class);
$kernel->bootstrap();
while (frankenphp_handle_request(static function () use ($kernel): void {
    $request = Request::capture();
    $kernel->terminate($request, $kernel->handle($request)->send());
})) {
}
