<?php

declare(strict_types=1);

namespace WorkerHost\Tests;

use PHPUnit\Framework\TestCase;
use WorkerHost\Tests\Support\FakeHost;

/** What one request leaves for the next is named, and what is none of it is not. */
final class LeaksTest extends TestCase
{
    private static function serving(string $code, array $php = FakeHost::WHOLE): FakeHost
    {
        putenv('WORKERHOST_LEAKS=1');
        try {
            return FakeHost::serving($code, php: $php);
        } finally {
            putenv('WORKERHOST_LEAKS');
        }
    }

    /** A request, repeated as the host repeats it, and what was found. @return array<string, mixed> */
    private static function report(FakeHost $host, string $target = '/'): array
    {
        foreach (['', '1', '2', '3', '4'] as $run) {
            $answer = $host->get('GET', $target, $run === '' ? [] : ['X-Worker-Leaks', $run]);
            self::assertSame(200, $answer->status, $answer->body . $host->log());
        }
        $report = json_decode($host->get('GET', $target, ['X-Worker-Leaks', 'report'])->body, true);
        self::assertSame(["GET $target", 3, false], [$report['request'], $report['runs'], $report['incomplete']]);

        return $report;
    }

    /** @return list<array<string, mixed>> what was found with the handler, in a worker with this code before it */
    private static function found(string $handler, string $before = ''): array
    {
        $host = self::serving("$before; Worker::create()->onRequest(function (Request \$request) {\n"
            . "$handler; return Response::text('fine');\n})->run();");

        return self::report($host)['findings'];
    }

    /** @return iterable<string, array{0: string, 1: string, 2: string, 3: string, 4?: string}> */
    public static function leaks(): iterable
    {
        yield 'an array in a static property' => [
            'Registry::add(new Provider());', 'grows', 'Registry::$providers', '1 more after each request (2 → 5), the newest: Provider',
            "class Provider {} class Registry { private static array \$providers = [];\n"
                . 'static function add($p) { self::$providers[] = $p; } }'];
        yield 'a text in a static property' => ['Trail::$log .= "0123456789";', 'grows', 'Trail::$log',
            '10 bytes more', 'class Trail { static string $log = ""; }'];
        yield 'a store of objects' => ['Store::$all ??= new SplObjectStorage(); Store::$all[new stdClass()] = 1;', 'grows',
            "Store::\$all{}", '1 more', 'class Store { static $all; }'];
        yield "a singleton's property" => ['Logger::get()->log("x");', 'grows', 'Logger::$one->records', '1 more',
            'class Logger { private static $one; private array $records = []; static function get() { return self::$one ??= new self(); }
            function log($x) { $this->records[] = $x; } }'];
        yield 'a private property of a parent' => ['App::$app->log("x");', 'grows', 'App::$app->records', '1 more',
            'class Base { private array $records = []; function log($x) { $this->records[] = $x; } }
            class Child extends Base {} class App { static $app; } App::$app = new Child();'];
        yield 'a property deep below' => ['$GLOBALS["app"]->a["x"]->b->c[] = 1;', 'grows', "global \$app->a['x']->b->c", '1 more',
            '$app = (object) ["a" => ["x" => (object) ["b" => (object) ["c" => []]]]];'];
        yield 'a copy of an application for each request' => ['new Application();', 'grows', 'Application::$instance->providers', '2 more',
            'class Application { static ?self $instance = null; public array $providers = [];
            function __construct() { $this->providers = [...(self::$instance?->providers ?? []), new stdClass(), new stdClass()]; self::$instance = $this; } }'];
        yield 'a static variable of a function' => ['remember();', 'grows', 'remember() static $all', '1 more',
            "function remember() { static \$all = [];\n\$all[] = 1; }"];
        yield 'a static variable of a method' => ['(new Service())->run();', 'grows', 'Service::run() static $all', '1 more',
            "class Service { function run() { static \$all = [];\n\$all[] = 1; } }"];
        yield 'a global' => ['$GLOBALS["seen"][] = 1;', 'grows', 'global $seen', '1 more', '$seen = [];'];
        yield 'a variable of the handler' => ['static $n = []; $n[] = 1;', 'grows', 'onRequest() use($n)', '1 more'];
        yield 'a listener' => ['Bus::$on[] = function () {};', 'grows', 'Bus::$on', 'the newest: a closure of', 'class Bus { static $on = []; }'];
        yield 'an array below a key of any bytes' => ['Keys::$all["\xff\n"][] = 1;', 'grows', "Keys::\$all['\u{fffd}?']", '1 more',
            'class Keys { static $all = []; }'];
        yield 'an autoloader' => ['spl_autoload_register(function ($c) {});', 'grows', 'autoloaders', '1 more'];
        yield 'a class' => ['eval("class C" . bin2hex(random_bytes(8)) . " {}");', 'grows', 'declared classes', '1 more'];
        yield 'an open file' => ['keep(fopen(__FILE__, "r"));', 'grows', 'open files and streams', 'worker.php, mode r',
            'function keep($f) { static $all = []; $all[] = $f; }'];
        yield 'an open socket' => ['Kept::$all[] = socket_create(AF_INET, SOCK_STREAM, 0);', 'grows', 'open descriptors', '1 more',
            'class Kept { static $all = []; }'];
        yield "libxml's errors" => ['(new DOMDocument())->loadXML("<a><b></a>");', 'grows', 'libxml errors', 'more',
            'libxml_use_internal_errors(true);'];
        yield 'a shutdown function' => ['$big = str_repeat("x", 10000); register_shutdown_function(function () use ($big) {});', 'grows', 'memory',
            'shutdown functions'];
        yield 'a setting of PHP' => ['ini_set("precision", "5");', 'left', 'ini precision', '14 → 5'];
        yield 'a setting that goes on' => ['ini_set("precision", (string) (1 + (int) ini_get("precision")));', 'left', 'ini precision', 'not set back'];
        yield 'error_reporting' => ['error_reporting(E_ALL & ~E_NOTICE);', 'left', 'ini error_reporting', 'not set back'];
        yield 'a locale' => ['setlocale(LC_ALL, "C.UTF-8");', 'left', 'locale LC_CTYPE', 'C → C.UTF-8', 'setlocale(LC_ALL, "C");'];
        yield 'a time zone' => ['date_default_timezone_set("Asia/Tokyo");', 'left', 'time zone', 'UTC → Asia/Tokyo', 'date_default_timezone_set("UTC");'];
        yield 'a directory' => ['chdir("/");', 'left', 'working directory', '→ /'];
        yield 'a umask' => ['umask(0);', 'left', 'umask', '0027 → 0000', 'umask(027);'];
        yield 'a variable of the environment' => ['putenv("SECRET_OF=a value");', 'left', 'environment SECRET_OF', 'was set, and not set back'];
        yield 'an error handler' => ['set_error_handler(fn () => true);', 'left', 'error handler', 'a closure of'];
        yield 'the same error handler again' => ['set_error_handler("handle");', 'left', 'error handler', 'none → handle()', 'function handle() {}'];
        yield 'an exception handler' => ['set_exception_handler([new Catcher(), "go"]);', 'left', 'exception handler', 'Catcher->go()',
            'class Catcher { function go() {} }'];
        yield "libxml's mode" => ['libxml_use_internal_errors(true);', 'left', 'libxml_use_internal_errors', '0 → 1'];
        yield 'a transaction' => ['Db::$pdo->inTransaction() || Db::$pdo->beginTransaction();', 'left', 'Db::$pdo', 'in a transaction',
            'class Fake extends PDO { private $in = false; function __construct() {} function inTransaction(): bool { return $this->in; }
            function beginTransaction(): bool { return $this->in = true; } } class Db { static $pdo; } Db::$pdo = new Fake();'];
        yield 'an output buffer' => ['ob_start();', 'changes', 'output buffers', '1 left open'];
        yield 'a counter' => ['++Counter::$n;', 'changes', 'Counter::$n', 'changed by each request: int', 'class Counter { static int $n = 0; }'];
        yield 'the last request' => ['Context::$user = new stdClass();', 'changes', 'Context::$user', 'replaced by each request: stdClass', 'class Context { static $user; }'];
    }

    /** @dataProvider leaks */
    public function testALeakIsNamed(string $handler, string $rank, string $path, string $what, string $before = ''): void
    {
        $findings = self::found($handler, $before);
        $found = array_column($findings, null, 'path')[$path] ?? self::fail(json_encode($findings, JSON_PRETTY_PRINT));
        self::assertSame($rank, $found['rank'], json_encode($findings));
        self::assertStringContainsString($what, $found['what']);
        self::assertStringNotContainsString('a value', json_encode($findings));
    }

    /** @return iterable<string, array{0: string, 1?: string}> */
    public static function innocents(): iterable
    {
        yield 'nothing' => [''];
        yield 'a cache that fills once' => ['Cache::$all[$request->target] ??= str_repeat("x", 100000);', 'class Cache { static array $all = []; }'];
        yield 'a class that is loaded late' => ['new ArrayCache();',
            'spl_autoload_register(function ($c) { eval("class $c { static array \$x = [1]; }"); });'];
        yield 'a framework that boots with the first request' => [
            'static $booted = false; if (!$booted) { $booted = true; date_default_timezone_set("Asia/Tokyo"); ini_set("precision", "9"); chdir("/");
            putenv("APP_BOOTED=1"); set_error_handler("handle"); }
            if (date_default_timezone_get() !== "Asia/Tokyo" && $request->header("x-worker-leaks") !== "1") { throw new Exception("lost its time zone"); }',
            'date_default_timezone_set("UTC"); function handle() { return false; }'];
        yield 'settings that are set back' => [
            '$p = ini_set("precision", "5"); setlocale(LC_ALL, "C.UTF-8"); chdir("/"); set_error_handler(fn () => true);
            restore_error_handler(); chdir($GLOBALS["home"]); setlocale(LC_ALL, "C"); ini_set("precision", $p);',
            'setlocale(LC_ALL, "C"); $home = getcwd();'];
        yield 'much memory for a while' => ['$x = str_repeat("x", 5000000); $y = new stdClass(); $y->y = $y; $y->x = $x;'];
        yield 'a file that is closed' => ['$f = fopen(__FILE__, "r"); fgets($f); fclose($f); $t = tmpfile();'];
        yield 'a body, a session, a cookie' => ['return Response::json(["a" => 1])->withHeader("X-A", "b");'];
    }

    /** @dataProvider innocents */
    public function testWhatIsNoLeakIsNotNamed(string $handler, string $before = ''): void
    {
        self::assertSame([], self::found($handler, $before));
    }

    public function testWhatOnePageLeavesOtherwiseThanAnotherIsNamed(): void
    {
        $host = self::serving('class Context { static ?string $user = null; static array $roles = []; static $late = null; static array $cache = []; }
            Worker::create()->onRequest(function (Request $r) {
                Context::$user = $r->query["user"] ?? "nobody"; Context::$roles = [strlen($r->target)]; Context::$cache[$r->target] = 1;
                if ($r->path === "/late") { Context::$late = 1; } return "fine"; })->run();');
        self::assertSame([], self::report($host, '/?user=ada')['findings']);
        $findings = self::report($host, '/late')['findings'];
        self::assertSame(['Context::$user', 'Context::$roles'], array_column($findings, 'path'));
        self::assertSame(['changes', 'changes'], array_column($findings, 'rank'));
        self::assertSame('not as GET /?user=ada has left it: string', $findings[0]['what']);
    }

    public function testThePlaceThatWritesIsNamed(): void
    {
        $host = self::serving(<<<'PHP'
            class Registry {
                private static array $providers = [];
                public array $seen = [];
                static function add(object $p): void {
                    self::$providers[] = $p;
                }
                function see(): void { $this->seen['a']['b'][] = 1; }
            }
            $registry = new Registry();
            Worker::create()->onRequest(function () use ($registry) {
                Registry::add(new stdClass());
                $registry->see();
                ini_set('precision', '7');
                return 'fine';
            })->run();
            PHP);
        $places = array_column(self::report($host)['findings'], 'places', 'path');
        $line = static fn (string $path): array => array_map(
            static fn (string $place): string => basename(dirname($place)) === '' ? '' : substr($place, strrpos($place, '/') + 1), $places[$path]);
        self::assertSame(['worker.php:7'], $line('Registry::$providers'));
        self::assertSame(['worker.php:9'], $line("global \$registry->seen['a']['b']"));
        self::assertSame(['worker.php:15'], $line('ini precision'));
    }

    public function testPagesThatPrintAreLookedAtToo(): void
    {
        $host = self::serving('Worker::create()->superglobals(capture: true)->onRequest(function () { $GLOBALS["all"][] = $_SERVER["REQUEST_URI"];
            session_start(); setcookie("a", "b"); echo "page"; })->run();');
        self::assertSame(['global $all'], array_column(self::report($host, '/p?q=1')['findings'], 'path'));
    }

    public function testAScriptForFrankenPhpIsLookedAtWithWhatItDoesBetween(): void
    {
        $host = self::serving('$kept = $freed = []; while (frankenphp_handle_request(function () { $GLOBALS["kept"][] = 1; $GLOBALS["freed"][] = 1; })) { $freed = []; }',
            FakeHost::FRANKENPHP);
        self::assertSame(['global $kept'], array_column(self::report($host)['findings'], 'path'));
    }

    public function testOtherRequestsBetweenAreNotCounted(): void
    {
        $host = self::serving('class Both { static array $all = []; } Worker::create()->onRequest(function (Request $r) {
            if ($r->target === "/other") { Both::$all[] = 1; date_default_timezone_set("Asia/Tokyo"); } return "fine"; })->run();');
        foreach (['', '1', '2', '3', '4'] as $run) {
            $host->get('GET', '/', $run === '' ? [] : ['X-Worker-Leaks', $run]);
            $host->get('GET', '/other');
        }
        self::assertSame([], json_decode($host->get('GET', '/', ['X-Worker-Leaks', 'report'])->body, true)['findings']);
    }

    public function testWhatIsNotAskedForIsNotThere(): void
    {
        $host = FakeHost::serving('Worker::create()->onRequest(fn () => [class_exists("WorkerHost\Internal\Leaks\Inspector", false)])->run();');
        self::assertSame('[false]', $host->get('GET', '/', ['X-Worker-Leaks', 'report'])->body);
    }
}
