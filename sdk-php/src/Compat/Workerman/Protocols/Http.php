<?php

declare(strict_types=1);

namespace Workerman\Protocols;

use Workerman\Protocols\Http\Request;
use Workerman\Protocols\Http\Session;

/** What a program says of HTTP, which the host speaks. */
class Http
{
    /** @var class-string<Request> */
    private static string $requestClass = Request::class;

    /** Which class onMessage gets, and which it got before. @param class-string<Request>|null $className */
    public static function requestClass(?string $className = null): string
    {
        return self::$requestClass = $className ?? self::$requestClass;
    }

    /** The name of the session's cookie. */
    public static function sessionName(?string $name = null): string
    {
        return Session::$name = $name !== null && $name !== '' ? $name : Session::$name;
    }

    /** Where uploads wait is the host's (spool_directory). */
    public static function uploadTmpDir(?string $dir = null): string
    {
        return \sys_get_temp_dir();
    }
}
