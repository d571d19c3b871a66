// host init: what it writes serves the project that it found.

package operate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// place writes the files of a project.
func place(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// debianAutoload stands for Composer's, with the packages of Debian.
const debianAutoload = `<?php
set_include_path(get_include_path() . PATH_SEPARATOR . '/usr/share/php');
foreach (['Symfony/Component/HttpKernel/autoload.php', 'Symfony/Bundle/FrameworkBundle/autoload.php', 'Nyholm/Psr7/autoload.php'] as $file) {
    if (stream_resolve_include_path($file)) {
        require_once $file;
    }
}
spl_autoload_register(static function (string $class): void {
    foreach ([__DIR__ . '/../src/' . strtr(substr($class, 4), '\\', '/'), __DIR__ . '/' . strtr($class, '\\', '/')] as $file) {
        if (is_file($file . '.php')) {
            require $file . '.php';
        }
    }
});
`

var initProjects = map[string]struct {
	files map[string]string
	found string
	says  string // what GET /?name=Ada answers
}{
	"an empty folder": {nil, "smallest one in PHP", "Hello, Ada!"},
	"a Composer project": {map[string]string{"composer.json": `{"require": {"monolog/monolog": "*"}}`,
		"vendor/autoload.php": "<?php"}, "composer.json", "Hello, Ada!"},
	"Symfony": {map[string]string{
		"composer.json": `{"require": {"symfony/framework-bundle": "*"}}`, "vendor/autoload.php": debianAutoload,
		"src/Kernel.php": `<?php
namespace App;
use Symfony\Component\HttpFoundation\{Request, Response};
class Kernel implements \Symfony\Component\HttpKernel\HttpKernelInterface {
    public function __construct(string $env, bool $debug) {}
    public function handle(Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Response { return new Response('symfony ' . $request->query->get('name')); }
}`,
	}, "Symfony", "symfony Ada"},
	"Symfony with its runtime": {map[string]string{
		"composer.json": `{"require": {"symfony/framework-bundle": "*", "symfony/runtime": "*"}}`,
		"vendor/autoload.php": debianAutoload + `
require_once 'Symfony/Component/Runtime/autoload.php';`,
		"vendor/autoload_runtime.php": `<?php // as Composer writes it
if (true === (require_once __DIR__ . '/autoload.php')) {
    return;
}
$app = require $_SERVER['SCRIPT_FILENAME'];
$runtime = new $_SERVER['APP_RUNTIME'](['project_dir' => dirname(__DIR__), 'disable_dotenv' => true, 'error_handler' => false]);
[$app, $arguments] = $runtime->getResolver($app)->resolve();
exit($runtime->getRunner($app(...$arguments))->run());`,
		"src/Controller/Home.php": "<?php #[Route('/')] class Home {}",
		"src/Kernel.php": `<?php
namespace App;
use Symfony\Component\HttpFoundation\{Request, Response};
class Kernel implements \Symfony\Component\HttpKernel\HttpKernelInterface {
    public function handle(Request $request, int $type = self::MAIN_REQUEST, bool $catch = true): Response { return new Response('runtime ' . $request->query->get('name')); }
}`,
		"public/index.php": `<?php
require_once dirname(__DIR__) . '/vendor/autoload_runtime.php';
return fn (array $context) => new App\Kernel();`,
	}, "Symfony", "runtime Ada"},
	"Laravel": {map[string]string{
		"artisan": "", "composer.json": `{"require": {"laravel/framework": "*"}}`, "vendor/autoload.php": "<?php",
		"routes/web.php":       "<?php Route::get('/', fn () => view('welcome'));",
		"public/index.php":     "<?php echo 'laravel ', $_GET['name'] ?? '', PHP_SAPI;",
		"storage/app/public/a": "",
	}, "Laravel", "laravel Adafpm-fcgi"},
	"Laravel with Octane": {laravelWithOctane, "Laravel with Octane", "octane Ada"},
	"Slim": {map[string]string{
		"composer.json": `{"require": {"slim/slim": "*", "nyholm/psr7": "*"}}`, "vendor/autoload.php": debianAutoload,
		"vendor/Psr/Http/Server/RequestHandlerInterface.php": `<?php
namespace Psr\Http\Server;
interface RequestHandlerInterface { public function handle(\Psr\Http\Message\ServerRequestInterface $request): \Psr\Http\Message\ResponseInterface; }`,
		"app.php": `<?php
return new class implements Psr\Http\Server\RequestHandlerInterface {
    public function handle(Psr\Http\Message\ServerRequestInterface $request): Psr\Http\Message\ResponseInterface {
        return new Nyholm\Psr7\Response(200, [], 'slim ' . $request->getQueryParams()['name']);
    }
};`,
	}, "Slim", "slim Ada"},
	"Mezzio": {map[string]string{
		"composer.json": `{"require": {"mezzio/mezzio": "*"}}`,
		"vendor/autoload.php": debianAutoload + `
foreach (['ServerRequestFactory', 'StreamFactory', 'UploadedFileFactory', 'UriFactory'] as $name) {
    class_alias(Nyholm\Psr7\Factory\Psr17Factory::class, "Laminas\\Diactoros\\$name");
}`,
		"vendor/Psr/Http/Server/RequestHandlerInterface.php": `<?php
namespace Psr\Http\Server;
interface RequestHandlerInterface { public function handle(\Psr\Http\Message\ServerRequestInterface $request): \Psr\Http\Message\ResponseInterface; }`,
		"vendor/Mezzio/MiddlewareFactory.php": "<?php namespace Mezzio; class MiddlewareFactory {}",
		"vendor/Mezzio/Application.php": `<?php
namespace Mezzio;
class Application implements \Psr\Http\Server\RequestHandlerInterface {
    public array $made = [];
    public function get(string $path, \Closure $handler) { $this->made[] = $handler(); }
    public function handle(\Psr\Http\Message\ServerRequestInterface $request): \Psr\Http\Message\ResponseInterface {
        return new \Nyholm\Psr7\Response(200, [], implode($this->made) . ' ' . ($request->getQueryParams()['name'] ?? ''));
    }
}`,
		"config/container.php": `<?php
return new class { private array $all = []; public function get(string $class) { return $this->all[$class] ??= new $class(); } };`,
		"config/pipeline.php": `<?php return function ($app, $factory, $container): void { $app->made[] = 'mez'; };`,
		"config/routes.php":   `<?php return function ($app, $factory, $container): void { $app->get('/', fn () => 'zio'); };`,
	}, "Mezzio", "mezzio Ada"},
}

// laravelWithOctane stands for a Laravel project, with what the bridge needs of Octane.
var laravelWithOctane = map[string]string{
	"artisan": "", "composer.json": `{"require": {"laravel/framework": "*", "laravel/octane": "*"}}`,
	"vendor/autoload.php": "<?php", "bootstrap/app.php": "<?php return ['health' => fn () => route(health: '/up')];",
	"public/a.css": "", "storage/app/public/b.txt": "of the storage",
	"vendor/laravel/octane/bin/bootstrap.php": `<?php
namespace Laravel\Octane\Contracts { interface Client {} }
namespace Laravel\Octane {
    class RequestContext {}
    class ApplicationFactory { public function __construct(public string $base) {} }
    class OctaneResponse { public $outputBuffer = ''; public function __construct(public $response) {} }
    class Worker {
        public function __construct(private $factory, private $client) {}
        public function boot() { require $this->factory->base . '/bootstrap/app.php'; }
        public function application() { return $this; }
        public function make() { return $this; }
        public function get($key, $default) { return false; }
        public function handle($request, $context) { $this->client->respond($context, new OctaneResponse($request)); }
        public function handleTick() {}
        public function terminate() {}
    }
}
namespace Illuminate\Http { class Request {
    public static function capture() { return new self(); }
    public function send() { echo 'octane ', $_GET['name'] ?? ''; }
} }`,
}

func TestInitWritesWhatServesTheProject(t *testing.T) {
	for name, c := range initProjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := place(t, c.files)
			out, code := command(t, dir, nil, "init")
			if code != 0 || !strings.Contains(out, c.found) || !strings.Contains(out, "host serve --watch") {
				t.Fatalf("exit %d, expected %q in\n%s", code, c.found, out)
			}
			h := harness.Start(t, "-n", "1", "-c", filepath.Join(dir, "host.toml"))
			for range 2 {
				if status, got := h.Get("/?name=Ada"); status != 200 || got != c.says {
					t.Errorf("%d %q", status, got)
				}
			}
			if out, code := command(t, dir, nil, "init"); code != 1 || !strings.Contains(out, "stays as it is") {
				t.Errorf("a second time: exit %d\n%s", code, out)
			}
		})
	}
}

func TestInitServesUnmodifiedPHP(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		found string
		get   map[string]string
	}{
		"WordPress": {map[string]string{
			"index.php":                        "<?php require 'wp-load.php'; echo $_SERVER['REQUEST_URI'];",
			"wp-load.php":                      "<?php $loaded = 1;",
			"wp-login.php":                     "<?php require 'wp-load.php'; echo 'login';",
			"wp-content/uploads/2026/evil.php": "<?php echo 'evil';", "wp-content/uploads/2026/a.txt": "a file",
		}, "WordPress", map[string]string{"/a/permalink/": "200 /a/permalink/", "/wp-login.php": "200 login",
			"/wp-content/uploads/2026/evil.php": "403 Forbidden\n", "/wp-content/uploads/2026/a.txt": "200 a file",
			"/host.toml": "200 /host.toml"}},
		"a public folder": {map[string]string{
			"public/index.php": "<?php require '../lib.php'; echo greeting();",
			"public/more.php":  "<?php echo 'more';", "lib.php": "<?php function greeting() { return 'hello'; }",
		}, "public/index.php", map[string]string{"/": "200 hello", "/more.php": "200 more", "/lib.php": "200 hello",
			"/host.toml": "200 hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer, err := os.MkdirTemp("", "site") // which the user of the pool can reach
			harness.Must(t, err)
			t.Cleanup(func() { os.RemoveAll(outer) })
			harness.Must(t, os.Chmod(outer, 0o755))
			dir := filepath.Join(outer, "site")
			harness.Must(t, os.Rename(place(t, c.files), dir))
			out, code := command(t, dir, nil, "init")
			if code != 0 || !strings.Contains(out, c.found) || strings.Contains(out, "can't be served yet") {
				t.Fatalf("exit %d, expected %q in\n%s", code, c.found, out)
			}
			for _, args := range [][]string{{"-c", filepath.Join(dir, "host.toml")}, {dir}} {
				h := harness.Start(t, args...)
				for path, want := range c.get {
					status, got := h.Get(path)
					if got := fmt.Sprint(status, " ", got); got != want {
						t.Errorf("%q: %s is %q, not %q", args, path, got, want)
					}
				}
				h.Stop()
			}
		})
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	t.Parallel()
	const mine = "<?php // mine"
	dir := place(t, map[string]string{"worker.php": mine, "composer.json": `{"require": {"laravel/framework": "*"}}`,
		"public/a.css": "", "vendor/autoload.php": ""})
	out, code := command(t, dir, nil, "init")
	if code != 0 || !strings.Contains(out, "worker.php stays as it is") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "worker.php")); err != nil || string(data) != mine {
		t.Errorf("worker.php is %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "workerhost")); err == nil {
		t.Error("it wrote an SDK that nothing asked for")
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "host.toml")); !strings.Contains(string(data), `public = "public"`) {
		t.Errorf("host.toml does not serve public/:\n%s", data)
	}
}

func TestALaravelThatDoesNotBootNeverGoesLive(t *testing.T) {
	t.Parallel()
	dir := place(t, laravelWithOctane)
	if err := os.Symlink("../storage/app/public", filepath.Join(dir, "public/storage")); err != nil {
		t.Fatal(err)
	}
	if out, code := command(t, dir, nil, "init"); code != 0 {
		t.Fatal(out)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "host.toml"))
	if !strings.Contains(string(text), "\nwarmup = [\"/up\"]") {
		t.Errorf("host.toml does not warm up at the health route:\n%s", text)
	}
	h := harness.Start(t, "-n", "1", "-c", filepath.Join(dir, "host.toml"))
	if status, got := h.Get("/storage/b.txt"); status != 200 || got != "of the storage" {
		t.Errorf("the link to the storage is not followed: %d %q", status, got)
	}
	harness.Write(t, dir, "bootstrap/app.php", "<?php throw new Exception('no database');")
	if out, code := h.Run("reload"); code != 1 || !strings.Contains(out, "no database in ") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if _, got := h.Get("/?name=Ada"); got != "octane Ada" {
		t.Errorf("after that %q", got)
	}
}

func TestInitFindsGoPrograms(t *testing.T) {
	t.Parallel()
	for folder, sdk := range map[string]bool{".": true, "cmd/app": false} {
		source := "package main\n\nfunc main() {}\n"
		if sdk {
			source = "package main\n\nimport _ \"github.com/workerhost/workerhost/sdk-go\"\n\nfunc main() {}\n"
		}
		dir := place(t, map[string]string{"go.mod": "module example.com/app\n\ngo 1.26\n",
			folder + "/main.go": source})
		out, code := command(t, dir, nil, "init")
		if code != 0 || strings.Contains(out, "sdk.Serve") == sdk {
			t.Errorf("%s: exit %d\n%s", folder, code, out)
		}
		if out, code := command(t, dir, nil, "check"); code != 0 || !strings.Contains(out, "Go main package") {
			t.Errorf("%s: host check exits %d\n%s", folder, code, out)
		}
		if data, _ := os.ReadFile(filepath.Join(dir, "host.toml")); !strings.Contains(string(data),
			fmt.Sprintf("worker = %q", folder)) {
			t.Errorf("%s: host.toml has\n%s", folder, data)
		}
	}
}

func TestInitSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for text, files := range map[string]map[string]string{
		"composer install":        {"composer.json": "{}"},
		"returns the Slim\\App":   {"composer.json": `{"require": {"slim/slim": "4"}}`},
		"composer require slim/p": {"composer.json": `{"require": {"slim/slim": "4"}}`},
		"src/Kernel.php":          {"bin/console": ""},
		"public/index.php":        {"artisan": ""},
		"composer validate":       {"composer.json": "{"},
	} {
		dir := place(t, files)
		if out, _ := command(t, dir, nil, "init"); !strings.Contains(out, text) {
			t.Errorf("expected %q in\n%s", text, out)
		}
		worker := filepath.Join(dir, "worker.php")
		if _, err := os.Stat(worker); err != nil {
			continue // nothing was written
		}
		if out, err := exec.Command("php", "-l", worker).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}
