<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Tests\Support\FakeHost;

/** Worker::place(). */
final class PlaceTest extends TestCase
{
    public function testAWorkerKnowsItsPlaceFromOnStartOn(): void
    {
        $host = FakeHost::serving(<<<'PHP'
            $worker = Worker::create();
            try { $worker->place(); $early = 'none'; } catch (Error $e) { $early = $e->getMessage(); }
            $worker->onStart(function () use ($worker, &$started) { $started = $worker->place(); })
                ->onRequest(function () use ($worker, &$started, $early) { return [(array) $worker->place(), $started === $worker->place(), $early]; })
                ->run();
            PHP);
        [$place, $same, $early] = json_decode($host->get()->body, true);
        self::assertSame(['pool' => 'test', 'generation' => 1, 'slot' => 0, 'host' => 'fake', 'dev' => false], $place);
        self::assertTrue($same);
        self::assertStringContainsString('from onStart() on', $early);
    }
}
