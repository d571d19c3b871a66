// phpcheck.go: which PHP a pool has, and which of its settings hurt a process that serves many requests.

package doctor

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/php"
)

// phpExtensions are worth having.
var phpExtensions = []struct{ name, debian, what string }{
	{"zend opcache", "php-opcache", "opcache, so that every worker compiles everything for itself"},
	{"msgpack", "php-msgpack", "msgpack, so that frames are read in plain PHP, which is slower"},
	{"pcntl", "php-cli", "pcntl, so that a worker can't answer signals, with the trace of where it hangs for example"},
}

// needed are functions that the SDK can't do without.
var needed = []string{
	"fopen", "stream_select", "stream_set_blocking", "fwrite", "fread", "register_shutdown_function",
	"set_error_handler",
	"ob_start", "ob_list_handlers", "ob_end_flush", "get_resources",
}

// iniCheck is a setting that hurts if it has, or has not, a value.
type iniCheck struct {
	name   string
	hurts  func(value string) bool
	what   string
	remedy string
}

func isOn(value string) bool  { return value == "1" || strings.EqualFold(value, "on") }
func isOff(value string) bool { return !isOn(value) }
func isSet(value string) bool { return value != "" }

var iniChecks = []iniCheck{
	{"opcache.enable", isOff, "the opcache is off", `leave opcache.enable out of php_ini`},
	{"opcache.enable_cli", isOff, "the opcache is off for workers", `leave opcache.enable_cli out of php_ini`},
	{"opcache.validate_timestamps", isOn,
		"each include looks at its file again, for nothing: new code comes with a new process",
		`leave opcache.validate_timestamps out of php_ini`},
	{"opcache.file_cache", isSet,
		"opcache.file_cache is set: it has served the code of an old release to new processes",
		`leave opcache.file_cache out of php_ini`},
	{"opcache.preload", isSet, "opcache.preload runs before each worker, which makes boot and reload slower",
		`php_ini = { "opcache.preload" = "" }`},
	{"memory_limit", func(v string) bool {
		return v == "-1"
	}, "memory_limit is off: a leak takes the machine, not one worker", `php_ini = { memory_limit = "256M" }`},
	{"max_execution_time", func(v string) bool {
		return v != "0" && v != ""
	}, "max_execution_time ends the worker, not the request",
		`leave max_execution_time out of php_ini, and set request_timeout`},
	{"xdebug.mode", func(v string) bool {
		return v != "" && v != "off"
	}, "Xdebug slows everything down, also while nobody debugs", `php_ini = { "xdebug.mode" = "off" }`},
	{"pcov.enabled", isOn, "pcov slows everything down", `php_ini = { "pcov.enabled" = false }`},
	{"zend.assertions", func(v string) bool {
		return v == "1"
	}, "assertions are on, which is for development", `php_ini = { "zend.assertions" = "-1" } in production`},
	{"auto_prepend_file", isSet, "auto_prepend_file runs once before each worker, not before each request",
		`php_ini = { auto_prepend_file = "" }`},
	{"auto_append_file", isSet, "auto_append_file runs when a worker ends, not after each request",
		`php_ini = { auto_append_file = "" }`},
	{"open_basedir", isSet,
		"open_basedir turns PHP's cache of paths off, and has to contain worker, SDK and temporary folder",
		`php_ini = { open_basedir = "" }`},
}

// examinePHP looks at the PHP of a pool, and returns its memory_limit in bytes; 0 is none, or not known.
func (d *diagnosis) examinePHP(ctx context.Context, p *config.Pool) int64 {
	state, err := php.Inspect(ctx, p)
	if err != nil {
		d.wrong(aboutPHP, "", "%v", err) // it has its remedy
		return 0
	}
	d.good(aboutPHP, "%s, version %s", state.PHP.Path, state.PHP.Version)
	opcache := slices.Contains(state.Extensions, "zend opcache")
	for _, e := range phpExtensions {
		if !slices.Contains(state.Extensions, e.name) {
			d.advise(aboutPHP, "on Debian: apt-get install "+e.debian, "there is no %s", e.what)
		}
	}
	for _, check := range iniChecks {
		value, known := state.Ini[check.name]
		if known && check.hurts(value) && (opcache || !strings.HasPrefix(check.name, "opcache.")) {
			d.advise(aboutPHP, check.remedy, "%s", check.what)
		}
	}
	var missing []string
	for name := range strings.FieldsFuncSeq(state.Ini["disable_functions"], func(r rune) bool {
		return r == ',' || r == ' '
	}) {
		if slices.Contains(needed, strings.ToLower(name)) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		d.wrong(aboutPHP, "take them out of disable_functions in "+strings.Join(state.Files, ", "),
			"disable_functions has what the SDK needs: %s", strings.Join(missing, ", "))
	}
	return iniBytes(state.Ini["memory_limit"])
}

// iniBytes reads 256M as PHP does.
func iniBytes(value string) int64 {
	value = strings.TrimSpace(value)
	shift := 0
	if value != "" {
		switch value[len(value)-1] | 0x20 {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		}
	}
	n, err := strconv.ParseInt(strings.TrimRight(value, "kKmMgG"), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n << shift
}
