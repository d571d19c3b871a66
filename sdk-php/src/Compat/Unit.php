<?php

declare(strict_types=1);

namespace WorkerHost\Compat;

use GatewayWorker\BusinessWorker;
use GatewayWorker\Gateway;
use GatewayWorker\Register;
use Workerman\Worker;
use WorkerHost\Log;

/**
 * @internal What one pool of the host runs: a Worker with its address; or a BusinessWorker with those of its Gateways.
 */
final class Unit
{
    /**
     * @param list<Listener>      $listeners
     * @param array<int, Gateway> $gateways  by the place of their listener
     */
    private function __construct(public readonly Worker $worker, public array $listeners, public array $gateways = [])
    {
    }

    /**
     * @param list<Worker> $workers
     *
     * @return array<string, self> by name, which is fit for a pool
     *
     * @throws \Error if one says what there is not
     */
    public static function of(array $workers): array
    {
        $units = $business = [];
        foreach ($workers as $worker) {
            if ($worker instanceof Register || $worker instanceof Gateway) {
                continue;
            }
            $listener = Listener::of($worker);
            $unit = new self($worker, $listener === null ? [] : [$listener]);
            $units[self::name($worker, $listener, $units)] = $unit;
            if ($worker instanceof BusinessWorker) {
                $business[self::address($worker->registerAddress)] ??= $unit;
            }
        }
        foreach ($workers as $worker) {
            if (!$worker instanceof Gateway) {
                continue;
            }
            $unit = $business[self::address($worker->registerAddress)]
                ?? (\count($business) === 1 ? \reset($business) : null);
            $listener = Listener::of($worker) ?? throw new \Error('new Gateway(): it has no address');
            if (!\in_array($listener->kind, ['websocket', 'text', 'tcp'], true)) {
                throw new \Error("the Gateway {$worker->getSocketName()}: a Gateway speaks websocket, text or tcp "
                    . 'under this host; a Worker speaks others');
            }
            if ($unit === null) {
                throw new \Error("the Gateway {$worker->getSocketName()} has no BusinessWorker with its "
                    . 'registerAddress in this program, and the host runs both in one: make a BusinessWorker in it');
            }
            $unit->gateways[\count($unit->listeners)] = $worker;
            $unit->listeners[] = $listener;
        }

        return $units;
    }

    /** Says what its Worker asks for and does not get. @throws \Error */
    public function check(): void
    {
        if ($this->worker->onWorkerReload !== null) {
            Log::warn('onWorkerReload is never called under this host: a reload starts new processes, which call '
                . 'onWorkerStart, and ends the old ones, which call onWorkerStop');
        }
        if (($this->worker->eventLoop ?? '') !== '') {
            Log::warn("\$worker->eventLoop is of no effect under this host, whose workers have a loop of their own: "
                . 'one thing at a time, and Timer');
        }
        foreach (['onWebSocketClose', 'onWebSocketPing', 'onWebSocketPong'] as $callback) {
            if (isset($this->worker->$callback)) {
                throw new \Error("\$worker->$callback is not there under this host, which pings and answers pings "
                    . 'itself (ping_interval of the listener), and tells of the end by onClose');
            }
        }
    }

    private static function address(mixed $register): string
    {
        return \implode(',', (array) $register);
    }

    /** @param array<string, self> $taken */
    private static function name(Worker $worker, ?Listener $listener, array $taken): string
    {
        $name = $worker->name === 'none' || $worker->name === '' ? '' : $worker->name;
        if ($name === '') {
            $port = $listener === null ? '' : \strrchr($listener->address, ':');
            $name = $listener === null ? 'worker' : $listener->kind . '-' . \trim((string) $port, ':/');
        }
        $name = \trim((string) \preg_replace('/[^A-Za-z0-9_-]+/', '-', $name), '-');
        $name = $name === '' ? 'worker' : \substr($name, 0, 50);
        $unique = $name;
        for ($i = 2; isset($taken[$unique]); ++$i) {
            $unique = "$name-$i";
        }

        return $unique;
    }
}
