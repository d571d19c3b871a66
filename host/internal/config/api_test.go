package config

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestAScriptThatCallsFrankenPHPIsFoundByItself(t *testing.T) {
	for script, want := range map[string]string{
		"<?php while (frankenphp_handle_request($handler)) {}":                                   FrankenPHP,
		"<?php\ndo {\n\t$more = \\frankenphp_handle_request($handler);\n} while ($more);":        FrankenPHP,
		"<?php\nrequire __DIR__.'/../vendor/laravel/octane/bin/frankenphp-worker.php';":          FrankenPHP,
		"<?php\n// as frankenphp_handle_request() does\nWorkerHost\\Worker::create()->run();":    "sdk",
		"<?php\n/*\n * frankenphp_handle_request()\n */\nWorkerHost\\Worker::create()->run();":   "sdk",
		"<?php\n# frankenphp_handle_request()\nrequire 'frankenphp.php';":                        "sdk",
		"<?php WorkerHost\\Worker::create()->run(); // no frankenphp_handle_request() in here":   "sdk",
		"<?php\nuse Workerman\\Worker;\nWorker::runAll();":                                       Workerman,
		"<?php require 'vendor/autoload.php';\nsupport\\App::run();":                             Workerman,
		"<?php\n// no Worker::runAll() here\nWorkerHost\\Worker::create()->run();":               "sdk",
		"<?php $page = 'https://x.org/'; while (\n\tfrankenphp_handle_request(fn () => 1)\n) {}": FrankenPHP,
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "worker.php"), []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Chdir(folder)
		c, err := Parse("host.toml", []byte("[pool.web]\nworker = 'worker.php'\n"), variables())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Pools[0].API; got != want {
			t.Errorf("api %q, want %q for:\n%s", got, want, script)
		}
		c, err = Parse("host.toml", []byte("[pool.web]\nworker = 'worker.php'\napi = 'frankenphp'\n"), variables())
		if err != nil || c.Pools[0].API != FrankenPHP {
			t.Errorf("what the file says is %+v, %v", c, err)
		}
	}
}

func TestAnAPIThatCanNotBeIsRefused(t *testing.T) {
	const franken = good + "api = 'frankenphp'\n"
	checkMistakes(t, []mistake{
		{good + "api = 'frankenphq'", `host.toml:3: [pool.web] api: expected one of "sdk", "frankenphp" or "workerman", found "frankenphq": did you mean "frankenphp"?`},
		{franken + "concurrency = 2", "host.toml:4: [pool.web] concurrency: a script that is written for FrankenPHP " +
			"answers one request at a time, since its superglobals are one request's: leave concurrency out, and " +
			"write more workers"},
		{franken + "php_ini = { auto_prepend_file = 'a' }", "host.toml:4: [pool.web] php_ini.auto_prepend_file: is " +
			"the host's with api = \"frankenphp\": require the file in the script"},
		{good + "api = 'workerman'\nconcurrency = 2", "host.toml:4: [pool.web] concurrency: a program that is " +
			"written for Workerman handles one thing at a time in each process: leave concurrency out, and write " +
			"more workers"},
		{"[pool.web]\ncommand = ['true']\napi = 'frankenphp'", "host.toml:3: [pool.web] api: is for a .php worker: " +
			"remove it, or write worker = \"FILE.php\""},
	})
}

func TestAForkThatCanNotBeIsRefused(t *testing.T) {
	canFork = true
	checkMistakes(t, []mistake{
		{"[pool.web]\ncommand = ['true']\nfork = true", "host.toml:3: [pool.web] fork: is for a .php worker: " +
			"remove it, or write worker = \"FILE.php\""},
		{good + "fork = true\nwire = 'stdio'", "host.toml:4: [pool.web] wire: has no effect with fork, whose " +
			"workers open their links by name: remove it"},
		{good + "fork = true\nphp_ini = { open_basedir = '/srv' }", "host.toml:4: [pool.web] php_ini.open_basedir: " +
			"does not let workers that are forked open their links: remove it, and write [pool.web.confine], which " +
			"does more"},
	})
	canFork = false
	defer func() { canFork = runtime.GOOS == "linux" }()
	checkMistakes(t, []mistake{{good + "fork = true", "host.toml:3: [pool.web] fork: workers can be forked on Linux " +
		"alone, and this is " + runtime.GOOS + ": remove it"}})
}
