<?php

declare(strict_types=1);

namespace App\Providers;

use Illuminate\Foundation\Support\Providers\RouteServiceProvider;
use Illuminate\Support\Facades\Route;

/** Where the routes stand. */
final class Routes extends RouteServiceProvider
{
    /** Loads them when all services are there. */
    public function boot(): void
    {
        $this->routes(static fn () => Route::middleware('web')->group(base_path('routes/web.php')));
    }
}
