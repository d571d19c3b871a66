<?php

declare(strict_types=1);

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

/** The application: its bundles, its services, its routes, and where its cache is. */
final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        return [new FrameworkBundle(), new TwigBundle()];
    }

    private function configureContainer(ContainerConfigurator $container): void
    {
        $container->parameters()->set('env(APP_SECRET)', 'for trying it out; host.toml sets a real one');
        $container->extension('framework', ['secret' => '%env(APP_SECRET)%', 'http_method_override' => false]);
        $container->extension('twig', ['default_path' => '%kernel.project_dir%/templates',
            'strict_variables' => true]);
        $services = $container->services()->defaults()->autowire()->autoconfigure();
        $services->load('App\\', __DIR__ . '/*')->exclude([__DIR__ . '/Kernel.php', __DIR__ . '/CacheFolder.php']);
        $services->load('App\\Controller\\', __DIR__ . '/Controller/*')->tag('controller.service_arguments');
    }

    private function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->add('home', '/')->controller([Controller\Pages::class, 'home'])->methods(['GET']);
        $routes->add('hello', '/hello/{name}')->controller([Controller\Pages::class, 'hello'])->methods(['GET']);
        $routes->add('broken', '/broken')->controller([Controller\Pages::class, 'broken']);
        $routes->add('journal', '/journal')->controller(Controller\ShowJournal::class)->methods(['GET']);
        $routes->add('upload', '/upload')->controller(Controller\Upload::class)->methods(['POST']);
        $routes->add('report', '/report.csv')->controller(Controller\Report::class)->methods(['GET']);
    }

    public function getProjectDir(): string
    {
        return \dirname(__DIR__);
    }

    public function getCacheDir(): string
    {
        return CacheFolder::of($this->getProjectDir()) . "/$this->environment";
    }
}
