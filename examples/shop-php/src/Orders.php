<?php

declare(strict_types=1);

namespace Shop;

use WorkerHost\{Task, Worker};

/**
 * An order, from the button to its invoice. Its id is made by the page, so that whatever happens on the way, the page
 * asks again with the same one, and gets one order. It is at one of two places: with the stock while it has no
 * invoice, then with its customer's orders.
 */
final class Orders
{
    /** How many orders of a customer are kept. */
    private const KEPT = 100;

    public function __construct(
        private readonly Worker $worker,
        private readonly Stock $stock,
        private readonly Invoices $invoices,
        private readonly int $rate,
    ) {
    }

    /** The group of everybody, and that of one customer, for server-sent events. @return list<string> */
    public static function channels(string $customer): array
    {
        return ['shop.stock', "shop.customer.$customer"];
    }

    /** @return bool false: this address has ordered too often in this minute */
    public function mayOrder(string $address): bool
    {
        $minute = intdiv(time(), 60);

        return $this->worker->store('rates')->increment("$minute $address") <= $this->rate;
    }

    /**
     * Takes the goods, and has an invoice be made. The order is on disk when this returns; its task, and what the
     * browsers are told, when the handler has returned.
     *
     * @return array<string, mixed>|null the order; null: there is not enough left
     */
    public function place(string $customer, string $id, string $product, int $quantity): ?array
    {
        $order = ['id' => $id, 'customer' => $customer, 'product' => $product, 'quantity' => $quantity,
            'cents' => $quantity * Stock::PRODUCTS[$product]['cents'], 'at' => time(), 'invoice' => false];
        $known = null;
        $now = $this->stock->change(function (array $stock) use ($order, &$known): ?array {
            [$id, $product, $quantity] = [$order['id'], $order['product'], $order['quantity']];
            $known = $stock['open'][$id] ?? $this->of($order['customer'])[$id] ?? null;
            if ($known !== null || $stock['left'][$product] < $quantity) {
                return null;
            }
            $stock['left'][$product] -= $quantity;
            $stock['open'][$id] = $order;

            return $stock;
        });
        if ($known !== null && $known['customer'] !== $customer || $known === null && $now === null) {
            return null;
        }
        $order = $known ?? $order;
        if (!$order['invoice']) {
            $this->push($order); // of one that is known, its worker may have died before it could
        }
        if ($now !== null) {
            $this->tellStock($now);
        }

        return $order;
    }

    /** Makes the invoice of an order: a task, which may come again. */
    public function invoice(Task $task): void
    {
        $id = $task->payload['id'];
        $customer = $task->payload['customer'];
        $order = $this->stock->now()['open'][$id] ?? $this->of($customer)[$id] ?? null;
        if ($order === null) {
            $task->fail("there is no order $id");

            return;
        }
        $this->invoices->make($order);
        $order['invoice'] = true;
        $this->worker->store('shop')->update("customer:$customer", static fn (?array $orders): array =>
            array_slice([...$orders ?? [], ...[$id => $order]], -self::KEPT));
        $this->stock->change(static function (array $stock) use ($id): ?array {
            if (!isset($stock['open'][$id])) {
                return null;
            }
            unset($stock['open'][$id]);

            return $stock;
        });
        $this->worker->connections()->sendToGroup(self::channels($customer)[1],
            self::json(['order' => self::shown($order)]));
    }

    /**
     * What the page gets of an order: not whose it is, since that is the cookie, which scripts don't see.
     *
     * @param array<string, mixed> $order
     *
     * @return array<string, mixed>
     */
    public static function shown(array $order): array
    {
        unset($order['customer']);

        return $order;
    }

    /** @return array<string, array<string, mixed>> a customer's orders, the oldest first */
    public function all(string $customer): array
    {
        $open = array_filter($this->stock->now()['open'], static fn (array $o): bool => $o['customer'] === $customer);
        $orders = [...$open, ...$this->of($customer)]; // in this order: an order goes from the first to the second
        uasort($orders, static fn (array $a, array $b): int => $a['at'] <=> $b['at']);

        return $orders;
    }

    /** New goods come in, orders whose invoice was forgotten get one, and old invoices go. */
    public function nightly(): string
    {
        $now = $this->stock->change(static function (array $stock): array {
            $stock['left'] = array_map(static fn (int $left): int => max($left, Stock::FULL), $stock['left']);

            return $stock;
        });
        foreach ($now['open'] as $order) {
            $this->push($order);
        }
        $this->tellStock($now);
        $removed = $this->invoices->remove(30 * 86400);

        return sprintf("in stock again; %d orders without an invoice, %d old invoices removed\n", count($now['open']),
            $removed);
    }

    /** @param array<string, mixed> $order */
    private function push(array $order): void
    {
        $this->worker->tasks()->push('invoices', ['id' => $order['id'], 'customer' => $order['customer']],
            id: $order['id']);
    }

    /** @param array{serial: int, left: array<string, int>} $stock */
    private function tellStock(array $stock): void
    {
        $this->worker->connections()->sendToGroup('shop.stock',
            self::json(['stock' => ['serial' => $stock['serial'], 'left' => $stock['left']]]));
    }

    /** @return array<string, array<string, mixed>> */
    private function of(string $customer): array
    {
        return $this->worker->store('shop')->get("customer:$customer", []);
    }

    /** @param array<string, mixed> $value */
    private static function json(array $value): string
    {
        return json_encode($value, JSON_THROW_ON_ERROR);
    }
}
