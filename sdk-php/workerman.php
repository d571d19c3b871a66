<?php

declare(strict_types=1);

// What runs before a program that was written for Workerman or GatewayWorker: `api = "workerman"` has the host give
// this file to PHP as auto_prepend_file. Their classes come from src/Compat, and this autoloader stands before that of
// the program, so that a Workerman which Composer has installed is not loaded. Nobody else gets them.

use WorkerHost\Compat\Classes;
use WorkerHost\Compat\Program;

require_once __DIR__ . '/autoload.php';

Classes::register();
Program::start();
