<?php

declare(strict_types=1);

namespace App\Http;

use Illuminate\Cookie\Middleware as Cookie;
use Illuminate\Foundation\Http\Kernel as BaseKernel;
use Illuminate\Foundation\Http\Middleware as Http;
use Illuminate\Routing\Middleware\SubstituteBindings;
use Illuminate\Session\Middleware\StartSession;
use Illuminate\View\Middleware\ShareErrorsFromSession;

/** What each request passes through, before it comes to its route and after it. */
final class Kernel extends BaseKernel
{
    protected $middleware = [Http\ValidatePostSize::class, Http\ConvertEmptyStringsToNull::class];

    protected $middlewareGroups = ['web' => [
        Cookie\EncryptCookies::class,
        Cookie\AddQueuedCookiesToResponse::class,
        StartSession::class,
        ShareErrorsFromSession::class,
        Http\VerifyCsrfToken::class,
        SubstituteBindings::class,
    ]];
}
