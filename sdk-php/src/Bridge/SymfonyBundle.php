<?php

declare(strict_types=1);

namespace WorkerHost\Bridge;

use Symfony\Component\DependencyInjection\Compiler\CompilerPassInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\HttpKernel\Bundle\Bundle;

/**
 * The services of the host in a Symfony application: the transport `workerhost://QUEUE` of Messenger, with what runs
 * its messages, and SymfonyLockStore. In config/bundles.php:
 *
 *     WorkerHost\Bridge\SymfonyBundle::class => ['all' => true],
 */
final class SymfonyBundle extends Bundle implements CompilerPassInterface
{
    /** Has process() run. */
    public function build(ContainerBuilder $container): void
    {
        $container->addCompilerPass($this);
    }

    /** Registers the services whose components are there. */
    public function process(ContainerBuilder $container): void
    {
        if (\interface_exists(\Symfony\Component\Lock\PersistingStoreInterface::class)) {
            $container->register(SymfonyLockStore::class, SymfonyLockStore::class);
        }
        if (!$container->has('messenger.receiver_locator')) {
            return;
        }
        $container->register(SymfonyTransportFactory::class, SymfonyTransportFactory::class)
            ->setArguments(['%kernel.secret%'])
            ->addTag('messenger.transport_factory');
        $container->register(SymfonyMessages::class, SymfonyMessages::class)
            ->setArguments([new Reference('messenger.receiver_locator'),
                new Reference('messenger.routable_message_bus'), new Reference('event_dispatcher')])
            ->setPublic(true);
    }
}
