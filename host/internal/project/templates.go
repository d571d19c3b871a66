// templates.go has what host init writes.

package project

import (
	"fmt"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
)

// hostFile is the host.toml of a project.
func (p *project) hostFile() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# What `+"`host serve`"+` does here. `+"`host help host.toml`"+` lists every key, and `+"`host check`"+` shows what would run.
# Paths are relative to this file.

[[listen]]
address = %q # ":8080" to be reached from other machines
# tls = { certificate = "server.crt", key = "server.key" }
`, config.DefaultAddress)
	if p.site != nil {
		return b.String() + p.site.pool()
	}
	if p.public {
		b.WriteString(`
[http]
public = "public" # static files come from here, and no worker hears of them
`)
	}
	fmt.Fprintf(&b, `
[pool.app]
worker = %q
# workers = 8             # 2 per CPU, at least 4, unless it says otherwise
# request_timeout = "60s"
# inherit_env = ["APP_*"] # of the host's environment workers get PATH, HOME and the like, and what stands here
# user = "www-data"       # for a host that is root: whom its workers run as
`, p.worker)
	switch p.framework {
	case symfony:
		b.WriteString(`start_timeout = "60s"     # the first worker of a release compiles the container
`)
	case laravel:
		b.WriteString(`# env = { APP_ENV = "production", APP_DEBUG = "false" } # wins over .env
`)
	default:
		b.WriteString(`# env = { DATABASE_URL = "${DATABASE_URL}" }
`)
	}
	return b.String()
}

// workerSource is the worker.php of a project.
func (p *project) workerSource() string {
	var requires string
	if p.composer {
		requires = "require __DIR__ . '/vendor/autoload.php';\n"
	}
	if !p.hasSDK {
		requires += "require __DIR__ . '/" + sdkFolder + "/autoload.php';\n"
	}
	text := plainWorker
	switch p.framework {
	case symfony:
		text = symfonyWorker
	case laravel:
		text = laravelWorker
	case slim:
		text = slimPSR7Worker
		if p.factories == "nyholm/psr7" {
			text = slimNyholmWorker
		}
	}
	return strings.NewReplacer("{{requires}}\n", requires, "{{app}}", p.app).Replace(text)
}

const plainWorker = `<?php

declare(strict_types=1);

// What stands above run() happens once, when a worker starts. The function given to onRequest() answers every request after that.

use WorkerHost\Http\Request;
use WorkerHost\Http\Response;
use WorkerHost\Worker;

{{requires}}

Worker::create()
    ->onRequest(fn (Request $request): Response => Response::text('Hello, ' . ($request->query['name'] ?? 'World') . '!'))
    ->run();
`

const symfonyWorker = `<?php

declare(strict_types=1);

// Stands in the place of public/index.php: the kernel is booted once per worker, and serves every request after that.

use App\Kernel;
use Symfony\Component\Dotenv\Dotenv;
use WorkerHost\Bridge\Symfony;
use WorkerHost\Worker;

{{requires}}

if (class_exists(Dotenv::class) && is_file(__DIR__ . '/.env')) {
    (new Dotenv())->bootEnv(__DIR__ . '/.env');
}

Worker::create()
    ->onRequest(Symfony::create(static fn (): Kernel => new Kernel($_SERVER['APP_ENV'] ?? 'prod', (bool) ($_SERVER['APP_DEBUG'] ?? false))))
    ->run();
`

const laravelWorker = `<?php

declare(strict_types=1);

// Stands in the place of public/index.php. Classes stay loaded, but each request gets an application of its own: what one request
// leaves in services, such as the user who is logged in, must not be there for the next.

use Illuminate\Contracts\Http\Kernel;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\HttpKernel\TerminableInterface;
use WorkerHost\Bridge\Symfony;
use WorkerHost\Worker;

{{requires}}

$bootstrap = __DIR__ . '/bootstrap/app.php';
if (!is_file($bootstrap)) {
    throw new RuntimeException("$bootstrap is missing: worker.php belongs beside Laravel's artisan");
}

$laravel = new class () implements HttpKernelInterface, TerminableInterface {
    private ?Kernel $kernel = null;

    private ?Illuminate\Http\Request $request = null;

    public function handle(Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Response
    {
        $this->kernel = (require __DIR__ . '/bootstrap/app.php')->make(Kernel::class);
        $this->request = Illuminate\Http\Request::createFromBase($request);

        return $this->kernel->handle($this->request);
    }

    public function terminate(Request $request, Response $response): void
    {
        try {
            $this->kernel?->terminate($this->request, $response);
        } finally {
            $this->kernel = $this->request = null;
        }
    }
};

Worker::create()->onRequest(Symfony::create($laravel))->run();
`

const slimPSR7Worker = `<?php

declare(strict_types=1);

// Stands in the place of public/index.php: the application is made once per worker, and serves every request after that.

use Slim\Psr7\Factory\ServerRequestFactory;
use Slim\Psr7\Factory\StreamFactory;
use Slim\Psr7\Factory\UploadedFileFactory;
use Slim\Psr7\Factory\UriFactory;
use WorkerHost\Bridge\Psr15;
use WorkerHost\Worker;

{{requires}}

Worker::create()
    ->onRequest(Psr15::create(
        static fn () => require __DIR__ . '/{{app}}', // returns the Slim\App
        new ServerRequestFactory(),
        new StreamFactory(),
        new UploadedFileFactory(),
        new UriFactory(),
    ))
    ->run();
`

const slimNyholmWorker = `<?php

declare(strict_types=1);

// Stands in the place of public/index.php: the application is made once per worker, and serves every request after that.

use Nyholm\Psr7\Factory\Psr17Factory;
use WorkerHost\Bridge\Psr15;
use WorkerHost\Worker;

{{requires}}

$psr17 = new Psr17Factory();

Worker::create()
    ->onRequest(Psr15::create(
        static fn () => require __DIR__ . '/{{app}}', // returns the Slim\App
        $psr17,
        $psr17,
        $psr17,
        $psr17,
    ))
    ->run();
`
