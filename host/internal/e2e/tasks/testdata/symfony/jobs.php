<?php

declare(strict_types=1);

require getenv('SDK') . '/autoload.php';
foreach (['Bundle/FrameworkBundle', 'Component/Messenger', 'Component/Lock'] as $package) {
    require_once "Symfony/$package/autoload.php";
}
require __DIR__ . '/Kernel.php';

use WorkerHost\Bridge\SymfonyMessages;

SymfonyMessages::worker(fn () => new App\Kernel('prod', false), ['emails' => 'async', 'reports'])->run();
