<?php

declare(strict_types=1);

// Broadcasting of Laravel, from Debian's package, by its own driver `pusher`, which is pointed at the host. The worker
// that this belongs to knows nothing of WebSockets.

namespace {
    spl_autoload_register(static function (string $class): void {
        $file = '/usr/share/php/' . strtr($class, '\\', '/') . '.php';
        if (str_starts_with($class, 'Illuminate\\') && is_file($file)) {
            require $file;
        }
    });
    require_once 'Illuminate/autoload.php';
    require_once 'Symfony/Component/HttpKernel/autoload.php';
    class_exists(\Pusher\Pusher::class) || require __DIR__ . '/Pusher.php';
}

namespace App\Events {
    use Illuminate\Broadcasting\Channel;
    use Illuminate\Broadcasting\InteractsWithSockets;
    use Illuminate\Broadcasting\PrivateChannel;
    use Illuminate\Contracts\Broadcasting\ShouldBroadcastNow;

    final class OrderShipped implements ShouldBroadcastNow
    {
        use InteractsWithSockets;

        public function __construct(public int $order, ?string $except)
        {
            $this->socket = $except; // what dontBroadcastToCurrentUser() takes from the request
        }

        /** @return list<Channel> */
        public function broadcastOn(): array
        {
            return [new PrivateChannel("orders.$this->order")];
        }
    }
}

namespace App {
    use App\Events\OrderShipped;
    use Illuminate\Broadcasting\BroadcastEvent;
    use Illuminate\Broadcasting\BroadcastManager;
    use Illuminate\Config\Repository;
    use Illuminate\Container\Container;
    use Illuminate\Http\Request as LaravelRequest;
    use Symfony\Component\HttpKernel\Exception\AccessDeniedHttpException;
    use WorkerHost\Http\Request;
    use WorkerHost\Http\Response;
    use WorkerHost\Worker;

    final class User
    {
        public function __construct(private string $name)
        {
        }

        public function getAuthIdentifier(): string
        {
            return $this->name;
        }
    }

    $container = Container::getInstance();
    $pusher = [
        'driver' => 'pusher', 'key' => 'app-key', 'secret' => getenv('PUSHER_APP_SECRET'), 'app_id' => '4711',
        'options' => ['host' => '127.0.0.1', 'port' => (int) getenv('PUSHER_PORT'), 'scheme' => 'http'],
    ];
    $container->instance('config', new Repository(['broadcasting' => ['default' => 'pusher',
        'connections' => ['pusher' => $pusher]]]));
    $manager = new BroadcastManager($container);
    $broadcaster = $manager->connection();
    $broadcaster->channel('orders.{order}', static fn (User $user, string $order): bool => $order === '7');
    $broadcaster->channel('room.{room}',
        static fn (User $user): array => ['name' => ucfirst($user->getAuthIdentifier())]);

    $worker = Worker::create();
    $worker->onRequest(static function (Request $request) use ($worker, $manager, $broadcaster): Response {
        switch ($request->path) {
            case '/broadcasting/auth':
                $asked = LaravelRequest::create('/broadcasting/auth', 'POST', $request->form);
                $asked->setUserResolver(static fn (): User => new User($request->header('x-user')));
                try {
                    return Response::json($broadcaster->auth($asked));
                } catch (AccessDeniedHttpException) {
                    return Response::text('no', 403);
                }
            case '/ship':
                (new BroadcastEvent(new OrderShipped(7, $request->header('x-socket-id') ?: null)))->handle($manager);

                return Response::text('shipped');
            case '/say': // without HTTP: a worker of the realm sends to the group that the channel is
                $worker->connections()->sendToGroup('pusher:main:news', json_encode(['event' => 'said',
                    'channel' => 'news', 'data' => json_encode(['text' => 'by a worker'])]));

                return Response::text('said');
        }

        return Response::html('<!doctype html><title>page</title>');
    })->run();
}
