// api.go finds out what a PHP script is written for: our SDK, FrankenPHP's worker mode, or Workerman.

package config

import (
	"os"
	"regexp"
	"runtime"
)

// FrankenPHP is the API of scripts that call frankenphp_handle_request().
const FrankenPHP = "frankenphp"

// Workerman is the API of scripts that run Workerman's Workers, or those of GatewayWorker: see workerman.go.
const Workerman = "workerman"

// runsWorkerman finds the call that ends such a program, or that of webman, in a line that is no comment.
var runsWorkerman = regexp.MustCompile(`(?m)^(?:[^\n#*/]|/[^\n*/])*?` +
	`(?:\bWorker::runAll\s*\(|\bsupport\\App::run\s*\()`)

// callsFrankenPHP finds the call in a line that is no comment, or that another script is required which has it: that
// of Laravel Octane is such a one.
var callsFrankenPHP = regexp.MustCompile(`(?m)^(?:[^\n#*/]|/[^\n*/])*?` +
	`(?:frankenphp_handle_request|require[^\n;]*frankenphp-worker\.php)`)

// canFork says whether workers can be forked on this system.
var canFork = runtime.GOOS == "linux"

// checkFork refuses what does not go with it.
func (p *Pool) checkFork(c *Config, fail fail) {
	switch {
	case !p.Fork:
	case p.Kind != PHPFile:
		fail(p.at+".fork", "is for a .php worker: remove it, or write worker = \"FILE.php\"")
	case !canFork:
		fail(p.at+".fork", "workers can be forked on Linux alone, and this is %s: remove it", runtime.GOOS)
	case c.has(p.at + ".wire"):
		fail(p.at+".wire", "has no effect with fork, whose workers open their links by name: remove it")
	case p.PHPIni["open_basedir"] != "":
		fail(p.at+".php_ini.open_basedir", "does not let workers that are forked open their links: remove it, and "+
			"write [%s.confine], which does more", p.at)
	}
}

// checkAPI refuses what does not go with it.
func (p *Pool) checkAPI(c *Config, fail fail) {
	if p.Kind != PHPFile {
		if c.has(p.at + ".api") {
			fail(p.at+".api", "is for a .php worker: remove it, or write worker = \"FILE.php\"")
		}
		return
	}
	if p.API == "sdk" {
		return
	}
	if p.Concurrency > 1 && p.API == FrankenPHP {
		fail(p.at+".concurrency", "a script that is written for FrankenPHP answers one request at a time, since its "+
			"superglobals are one request's: leave concurrency out, and write more workers")
	} else if p.Concurrency > 1 {
		fail(p.at+".concurrency", "a program that is written for Workerman handles one thing at a time in each "+
			"process: leave concurrency out, and write more workers")
	}
	if p.PHPIni["auto_prepend_file"] != "" {
		fail(p.at+".php_ini.auto_prepend_file", "is the host's with api = %q: require the file in the script", p.API)
	}
}

// findAPI says what the script is written for. One that can't be read is PHP's to complain of.
func findAPI(script string) string {
	text, err := os.ReadFile(script)
	switch {
	case err == nil && callsFrankenPHP.Match(text):
		return FrankenPHP
	case err == nil && runsWorkerman.Match(text):
		return Workerman
	}
	return "sdk"
}
