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
	if p.public && p.worker != "" {
		b.WriteString(`
[http]
public = "public" # static files come from here, and no worker hears of them
`)
	}
	fmt.Fprintf(&b, `
[pool.app]
%s%s# workers = 8             # 2 per CPU, at least 4, or 1 for Go, unless it says otherwise
# request_timeout = "60s"
# inherit_env = ["APP_*"] # of the host's environment workers get PATH, HOME and the like, and what stands here
# user = "www-data"       # for a host that is root: whom its workers run as
`, p.program(), p.warmupLine())
	switch p.framework {
	case symfony:
		b.WriteString(`start_timeout = "60s"     # the first worker of a release compiles the container
`)
		if p.worker != publicIndex {
			b.WriteString(`# env = { APP_ENV = "prod" } # wins over .env
`)
		}
	case laravel, octane:
		b.WriteString(`# env = { APP_ENV = "production", APP_DEBUG = "false" } # wins over .env
`)
	default:
		b.WriteString(`# env = { DATABASE_URL = "${DATABASE_URL}" }
`)
	}
	return b.String()
}

// program says in host.toml what runs.
func (p *project) program() string {
	var b strings.Builder
	switch p.worker {
	case "":
		b.WriteString(`fpm = true                # by php-fpm, a fresh application for each request: ` + "`host help laravel`" + `
root = "public"
`)
		if p.storage {
			b.WriteString(`deny = ["uploads/*.php", "/storage/*.php"] # what visitors have uploaded never runs
`)
		}
	case publicIndex:
		b.WriteString(`directory = "."
worker = "public/index.php" # as it is: this runtime has it serve one request after another
env = { APP_RUNTIME = 'WorkerHost\Bridge\SymfonyRuntime' } # and APP_ENV = "prod", which wins over .env
`)
		if !p.hasSDK {
			fmt.Fprintf(&b, "php_ini = { auto_prepend_file = %q }\n", sdkFolder+"/autoload.php")
		}
	default:
		fmt.Fprintf(&b, "worker = %q\n", p.worker)
	}
	if p.storage {
		b.WriteString(`file_roots = ["public", "storage/app/public"] # where the link public/storage leads
`)
	}
	return b.String()
}

// warmupLine names what shows that the application works, or has somebody name it.
func (p *project) warmupLine() string {
	const means = " # what a new worker has to answer before clients hear of it: name what shows that it works"
	switch {
	case p.warmup != "":
		return fmt.Sprintf("warmup = [%q]%s\n", p.warmup, means)
	case p.framework != plainPHP:
		return `# warmup = ["/login"]` + means + "\n"
	}
	return ""
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
	case octane:
		text = octaneWorker
	case mezzio:
		text = mezzioWorker
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

const octaneWorker = `<?php

declare(strict_types=1);

// Serves this Laravel application by Octane, in the place of public/index.php and of artisan octane:start. It is
// booted here, once for each worker, which is ready with its first frankenphp_handle_request(): code that does not
// boot never goes live. The class comes with the host, and Octane resets what a request has left.

use WorkerHost\Bridge\Octane;

$octane = Octane::boot(__DIR__);
while (frankenphp_handle_request($octane->handle(...))) {
}
$octane->terminate();
`

const mezzioWorker = `<?php

declare(strict_types=1);

// Stands in the place of public/index.php: the application is made once per worker, with its pipeline and routes, and
// serves every request after that.

use Laminas\Diactoros\ServerRequestFactory;
use Laminas\Diactoros\StreamFactory;
use Laminas\Diactoros\UploadedFileFactory;
use Laminas\Diactoros\UriFactory;
use Mezzio\Application;
use Mezzio\MiddlewareFactory;
use WorkerHost\Bridge\Psr15;
use WorkerHost\Worker;

{{requires}}

$application = static function (): Application {
    $container = require __DIR__ . '/config/container.php';
    $application = $container->get(Application::class);
    $factory = $container->get(MiddlewareFactory::class);
    (require __DIR__ . '/config/pipeline.php')($application, $factory, $container);
    (require __DIR__ . '/config/routes.php')($application, $factory, $container);

    return $application;
};

Worker::create()
    ->onRequest(Psr15::create(
        $application,
        new ServerRequestFactory(),
        new StreamFactory(),
        new UploadedFileFactory(),
        new UriFactory(),
    ))
    ->run();
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
