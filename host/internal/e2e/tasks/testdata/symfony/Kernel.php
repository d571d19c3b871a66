<?php

declare(strict_types=1);

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Lock\LockFactory;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Event\{WorkerMessageFailedEvent, WorkerMessageHandledEvent};
use Symfony\Component\Messenger\Stamp\DelayStamp;
use WorkerHost\Bridge\{SymfonyBundle, SymfonyLockStore};
use WorkerHost\Internal\Signed;
use WorkerHost\Tasks;
use function Symfony\Component\DependencyInjection\Loader\Configurator\service;

require_once __DIR__ . '/messages.php';

/** An application of Debian's packages whose messages the host runs. */
final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    private const SECRET = 'a secret';

    public static function note(string $line): void
    {
        file_put_contents(__DIR__ . '/done', "$line\n", FILE_APPEND | LOCK_EX);
    }

    public function registerBundles(): iterable
    {
        return [new FrameworkBundle(), new SymfonyBundle()];
    }

    public function getProjectDir(): string
    {
        return __DIR__;
    }

    protected function configureContainer($container): void
    {
        $retry = ['max_retries' => 2, 'delay' => 100, 'multiplier' => 1];
        $container->extension('framework', [
            'secret' => self::SECRET,
            'http_method_override' => false,
            'annotations' => false,
            'router' => ['utf8' => true],
            'messenger' => [
                'transports' => [
                    'async' => ['dsn' => 'workerhost://emails', 'retry_strategy' => $retry],
                    'reports' => ['dsn' => 'workerhost://reports?now=1'],
                ],
                'routing' => [Message::class => 'async', Report::class => 'reports'],
            ],
        ]);
        $services = $container->services();
        $services->alias('bus', 'messenger.default_bus')->public();
        $services->alias('locks', SymfonyLockStore::class)->public();
        $services->set(Handler::class)->args([service('messenger.default_bus')])
            ->tag('messenger.message_handler', ['handles' => Message::class])
            ->tag('messenger.message_handler', ['handles' => Report::class])
            ->tag('kernel.reset', ['method' => 'reset'])
            ->tag('kernel.event_listener', ['event' => WorkerMessageFailedEvent::class, 'method' => 'failed'])
            ->tag('kernel.event_listener', ['event' => WorkerMessageHandledEvent::class, 'method' => 'handled']);
    }

    protected function configureRoutes($routes): void
    {
        $routes->add('all', '/{does}')->controller([$this, 'answer']);
    }

    public function answer(string $does): Response
    {
        $bus = $this->getContainer()->get('bus');
        switch ($does) {
            case 'delayed':
                $bus->dispatch(new Message($does), [new DelayStamp(1000)]);
                break;
            case 'report':
                $bus->dispatch(new Report());
                throw new \RuntimeException('what was dispatched now is on its way');
            case 'forged':
                $this->forge();
                break;
            case 'lock':
                return new Response($this->lock());
            default:
                $bus->dispatch(new Message($does));
        }

        return new Response($does);
    }

    /** Pushes what runs if anybody runs it: unsigned, signed with another key, for another queue, and another id. */
    private function forge(): void
    {
        $payload = static fn (string $id) => ['body' => addslashes(serialize(
            new Envelope(new Message("forged-$id"))))];
        foreach ([
            'unsigned' => $payload('unsigned'),
            'otherkey' => Signed::seal('another', 'emails', 'otherkey', $payload('otherkey')),
            'otherqueue' => Signed::seal(self::SECRET, 'reports', 'otherqueue', $payload('otherqueue')),
            'otherid' => Signed::seal(self::SECRET, 'emails', 'another', $payload('otherid')),
            'right' => Signed::seal(self::SECRET, 'emails', 'right', $payload('right')),
        ] as $id => $all) {
            Tasks::here()->push('emails', $all, id: $id);
        }
    }

    private function lock(): string
    {
        $store = $this->getContainer()->get('locks');
        $one = (new LockFactory($store))->createLock('stock', 1.0);
        $two = (new LockFactory($store))->createLock('stock', 1.0);
        $said = [$one->acquire(), $two->acquire(), $one->isAcquired(), $two->isAcquired()];
        $one->refresh(5);
        $said[] = $one->getRemainingLifetime() > 4;
        $one->release();
        array_push($said, $one->isAcquired(), $two->acquire(true), $one->acquire());
        $three = (new LockFactory($store))->createLock('stock', 30);
        array_push($said, $three->acquire(true), $two->isAcquired()); // once the time of $two is up
        try {
            $two->refresh();
        } catch (\Symfony\Component\Lock\Exception\LockConflictedException) {
            $said[] = 'lost';
        }

        return json_encode($said);
    }
}
