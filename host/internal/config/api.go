// api.go finds out what a PHP script is written for: our SDK, or FrankenPHP's worker mode.

package config

import (
	"os"
	"regexp"
)

// FrankenPHP is the API of scripts that call frankenphp_handle_request().
const FrankenPHP = "frankenphp"

// callsFrankenPHP finds the call in a line that is no comment, or that another script is required which has it: that
// of Laravel Octane is such a one.
var callsFrankenPHP = regexp.MustCompile(`(?m)^(?:[^\n#*/]|/[^\n*/])*?` +
	`(?:frankenphp_handle_request|require[^\n;]*frankenphp-worker\.php)`)

// checkAPI refuses what does not go with it.
func (p *Pool) checkAPI(c *Config, fail fail) {
	if p.Kind != PHPFile {
		if c.has(p.at + ".api") {
			fail(p.at+".api", "is for a .php worker: remove it, or write worker = \"FILE.php\"")
		}
		return
	}
	if p.API != FrankenPHP {
		return
	}
	if p.Concurrency > 1 {
		fail(p.at+".concurrency", "a script that is written for FrankenPHP answers one request at a time, since its "+
			"superglobals are one request's: leave concurrency out, and write more workers")
	}
	if p.PHPIni["auto_prepend_file"] != "" {
		fail(p.at+".php_ini.auto_prepend_file", "is the host's with api = \"frankenphp\": "+
			"require the file in the script")
	}
}

// findAPI says what the script is written for. One that can't be read is PHP's to complain of.
func findAPI(script string) string {
	if text, err := os.ReadFile(script); err == nil && callsFrankenPHP.Match(text) {
		return FrankenPHP
	}
	return "sdk"
}
