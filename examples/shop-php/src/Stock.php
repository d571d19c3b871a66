<?php

declare(strict_types=1);

namespace Shop;

use WorkerHost\Worker;

/**
 * What is left of each product, and the orders that have it but no invoice yet: one value in the host's store, so that
 * goods are taken and the order is there in one step, or neither.
 *
 * A lock keeps those who order from getting into each other's way. It is compareAndSet() that makes sure of it: a
 * worker that was stopped for so long that its lock is another one's by now finds that the value is not what it was.
 *
 * @phpstan-type Value array{serial: int, left: array<string, int>, open: array<string, array<string, mixed>>}
 */
final class Stock
{
    /** What comes in each night, up to so many. */
    public const FULL = 12;
    public const PRODUCTS = [
        'assam' => ['name' => 'Assam', 'about' => 'Malt and honey, for the first cup', 'cents' => 950],
        'sencha' => ['name' => 'Sencha', 'about' => 'Green, bright, two minutes', 'cents' => 1280],
        'rooibos' => ['name' => 'Rooibos', 'about' => 'Sweet and red, all day long', 'cents' => 790],
        'lapsang' => ['name' => 'Lapsang', 'about' => 'Smoke from a pine fire', 'cents' => 1450],
    ];

    private const KEY = 'stock';

    public function __construct(private readonly Worker $worker)
    {
    }

    /** @return Value as it is now */
    public function now(): array
    {
        return $this->worker->store('shop')->get(self::KEY) ?? self::first();
    }

    /**
     * Changes it, alone.
     *
     * @param callable(Value): ?Value $change gets what is there; null leaves it so
     *
     * @return Value|null what it is now; null if it was left
     */
    public function change(callable $change): ?array
    {
        $lock = $this->worker->lock('stock', ttl: 10, wait: 5);
        if ($lock === null) {
            throw new Busy('too many order at once');
        }
        try {
            $store = $this->worker->store('shop');
            for (;;) {
                [$value, $version] = $store->getVersioned(self::KEY) ?? [self::first(), 0];
                $value = $change($value);
                if ($value === null) {
                    return null;
                }
                ++$value['serial'];
                if ($store->compareAndSet(self::KEY, $version, $value)) {
                    return $value;
                }
            }
        } finally {
            $lock->release();
        }
    }

    /** @return Value */
    private static function first(): array
    {
        return ['serial' => 0, 'left' => array_map(static fn () => self::FULL, self::PRODUCTS), 'open' => []];
    }
}
