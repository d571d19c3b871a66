<?php

declare(strict_types=1);

// A shop: orders, stock, invoices, and a page that hears of all of it. README.md says how to try it.
// This process keeps nothing, so that it can be replaced or killed at any time: the host has the stock, the orders and
// the tasks, and the folder SHOP_DATA the invoices.

use Shop\{Invoices, Orders, Page, Stock};
use WorkerHost\Worker;

require __DIR__ . '/../../sdk-php/autoload.php';
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Shop\\')) {
        require __DIR__ . '/src/' . substr($class, 5) . '.php';
    }
});

$worker = Worker::create();
$invoices = new Invoices((getenv('SHOP_DATA') ?: __DIR__ . '/var') . '/invoices');
$stock = new Stock($worker);
$orders = new Orders($worker, $stock, $invoices, (int) (getenv('SHOP_RATE') ?: 30));

$worker
    ->onStart($invoices->open(...))
    ->onRequest(new Page($worker, $stock, $orders, $invoices))
    ->onTask('invoices', $orders->invoice(...))
    ->run();
