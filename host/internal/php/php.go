// Package php has what the host knows about PHP: where it is, the command and the settings of a resident worker, which
// of them are in effect, and whether a file's syntax is right. It reads pools of package config, and changes none.
package php

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
)

// residentSettings are php.ini settings for a process that serves many requests. Each can be overridden in
// [pool.NAME] php_ini. What is not here stays as the machine's php.ini has it: error_reporting, time zone, extensions.
var residentSettings = []struct{ name, value string }{
	// Compiled code is optimised and shared between includes, as it is under php-fpm; the CLI leaves this off.
	{"opcache.enable", "1"},
	{"opcache.enable_cli", "1"},
	// A worker runs one release. New code comes with a new process, so a stat for each include would be for nothing.
	{"opcache.validate_timestamps", "0"},
	// It has served the code of an old release to new processes.
	{"opcache.file_cache", ""},
	// Errors go to the host's log, once (log_errors would repeat them) and as text, and so does error_log().
	{"display_errors", "stderr"},
	{"display_startup_errors", "1"},
	{"log_errors", "0"},
	{"error_log", ""},
	{"html_errors", "0"},
	// The CLI has no limit at all; a leak should end one worker, not the machine.
	{"memory_limit", "256M"},
	// The time of a request is the host's to limit (request_timeout); the process itself lives on.
	{"max_execution_time", "0"},
	// Output buffered for the life of the process would be memory lost, and log lines that come too late.
	{"output_buffering", "0"},
	{"implicit_flush", "1"},
}

// takenOver are functions that PHP's command line has, but that do nothing for a client there. PHP is started without
// them, so that the SDK can define them; a script in its place that calls one has to bring its own. Their twin is
// Printed::FUNCTIONS of the PHP SDK.
const takenOver = "ob_get_level,ob_get_status,ob_get_clean,ob_get_flush,ob_implicit_flush,flush," +
	"connection_aborted,connection_status,filter_has_var,filter_input,filter_input_array,is_uploaded_file," +
	"move_uploaded_file,header,headers_sent,headers_list,header_remove,http_response_code," +
	"header_register_callback,setcookie,setrawcookie"

// takenByFranken are more of them for a script that is written for FrankenPHP, whose prelude defines them.
const takenByFranken = ",php_sapi_name"

// Prelude is the file of the SDK that runs before the pool's script, for one that is written for an API other than the
// SDK's; "" for others.
func Prelude(pool *config.Pool) string {
	switch {
	case pool.Kind != config.PHPFile:
		return ""
	case pool.API == config.FrankenPHP:
		return "franken.php"
	case pool.API == config.Workerman:
		return "workerman.php"
	}
	return ""
}

// probeTimeout is far more than php needs to start, also on a machine that has much else to do.
const probeTimeout = 10 * time.Second

// installPHP is the remedy for a missing or old PHP.
const installPHP = "install php-cli 8.1 or later (Debian: apt-get install php-cli), or name the binary with php = " +
	"\"PATH\" in host.toml"

// Binary is what Find learnt about a PHP binary.
type Binary struct {
	Path    string // absolute
	Version string // "8.2.7"
	Opcache bool   // the opcache extension is loaded
	Forks   bool   // ext-pcntl and ext-posix are loaded, and what a template needs of them is not disabled
	Msgpack bool   // ext-msgpack is loaded; without it the SDK decodes in plain PHP, more slowly
	FFI     bool   // it can be used; without it PHP_SAPI stays cli for what is written for FrankenPHP

	// Disabled is disable_functions as the machine or the pool has it, with nothing but commas between the names.
	Disabled string
}

// Find finds the PHP of a PHPFile pool and starts it once, with the pool's settings, to see that it is a CLI of
// version 8.1 or later; the caller's error names the pool. The process has ended when Find returns, at the latest
// after ten seconds or with ctx.
func Find(ctx context.Context, pool *config.Pool) (Binary, error) {
	name := pool.PHP
	if name == "" {
		name = "php"
	}
	path, err := exec.LookPath(name)
	if err != nil && pool.PHP == "" {
		return Binary{}, fmt.Errorf("there is no php in $PATH: %s", installPHP)
	}
	if errors.Is(err, fs.ErrPermission) {
		return Binary{}, fmt.Errorf("can't run php = %q: %w: is it executable (chmod +x), and the php program itself?",
			name, config.UnwrapExec(err))
	}
	if err != nil {
		return Binary{}, fmt.Errorf("can't run php = %q: %w: %s", name, config.UnwrapExec(err), installPHP)
	}
	if path, err = filepath.Abs(path); err != nil {
		return Binary{}, err
	}
	php, err := probe(ctx, path, pool)
	if errors.Is(err, context.Canceled) {
		return Binary{}, err
	}
	var misfit *misfit
	switch {
	case errors.As(err, &misfit):
		return Binary{}, fmt.Errorf("%s: %w: %s", path, err, installPHP)
	case err != nil:
		return Binary{}, fmt.Errorf("%s: %w", path, err)
	}
	return php, nil
}

// misfit says of a PHP why another one is needed.
type misfit struct{ why string }

func (m *misfit) Error() string { return m.why }

func misfits(format string, args ...any) error { return &misfit{fmt.Sprintf(format, args...)} }

// explain explains what a PHP that can run, and did not do so to the end, said of it.
func explain(err error, said string, pool *config.Pool, temporary string) error {
	switch {
	case strings.Contains(said, "Unable to create lock file"):
		if folder := pool.PHPIni["opcache.lockfile_path"]; folder != "" {
			return fmt.Errorf("its opcache can't make its lock in %s (%s): let the pool's user write there, or "+
				"leave opcache.lockfile_path out of php_ini", folder, said)
		}
		return fmt.Errorf("its opcache can't make its lock in %s (%s): let the pool's user write there, or name "+
			"another folder with TMPDIR", temporary, said)
	case said == "":
		return fmt.Errorf("it ended with %w, and said nothing: start it by hand (php -v) to see more", err)
	}
	return fmt.Errorf("%w: %s: mend php_ini of the pool, or the php.ini files of the machine, which php --ini lists",
		err, said)
}

// probeMark comes before the answer, since extensions may print at start-up.
const probeMark = "workerhost-probe:"

func probe(ctx context.Context, path string, pool *config.Pool) (Binary, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	const code = `echo "\n` + probeMark + `", implode(' ', [PHP_VERSION, PHP_SAPI, ` +
		`(int) extension_loaded('Zend OPcache'), (int) extension_loaded('msgpack'), ` +
		`(int) (extension_loaded('ffi') && ini_get('ffi.enable')), ` +
		`(int) (function_exists('pcntl_fork') && function_exists('pcntl_waitpid') && ` +
		`function_exists('posix_kill')), ` +
		`preg_replace('/[\s,]+/', ',', trim(ini_get('disable_functions'), " ,")) . ',']), "\n";`
	cmd, temporary, clean, err := probing(ctx, path, pool, "-r", code)
	if err != nil {
		return Binary{}, err
	}
	defer clean()
	out, err := cmd.Output()
	if errors.Is(ctx.Err(), context.Canceled) {
		return Binary{}, ctx.Err()
	}
	if ctx.Err() != nil {
		return Binary{}, fmt.Errorf("it did not answer within %s: the machine may have too much to do; start it by "+
			"hand (php -v) to see", probeTimeout)
	}
	_, printed, found := strings.Cut(string(out), probeMark)
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		return Binary{}, explain(err, strings.TrimSpace(string(failed.Stderr)), pool, temporary)
	case err != nil:
		return Binary{}, misfits("it can't be run: %v", err)
	case !found:
		return Binary{}, misfits("it is no PHP: asked for its version, it wrote %.60q", out)
	}
	php := Binary{Path: path}
	var sapi string
	var opcache, msgpack, ffi, forks int
	_, err = fmt.Sscan(printed, &php.Version, &sapi, &opcache, &msgpack, &ffi, &forks, &php.Disabled)
	if err != nil {
		return Binary{}, misfits("it is no PHP: asked for its version, it wrote %.60q", printed)
	}
	php.Opcache, php.Msgpack, php.FFI, php.Forks = opcache == 1, msgpack == 1, ffi == 1, forks == 1
	php.Disabled = strings.Trim(php.Disabled, ",")
	var major, minor int
	if _, err := fmt.Sscanf(php.Version, "%d.%d", &major, &minor); err != nil || major < 8 || major == 8 && minor < 1 {
		return Binary{}, misfits("it is PHP %s, and 8.1 is needed", php.Version)
	}
	if sapi != "cli" {
		return Binary{}, misfits("it is PHP for %s, and the command-line one is needed", sapi)
	}
	if pool.Fork && !php.Forks {
		return Binary{}, errors.New("fork = true needs PHP's extensions pcntl and posix, which it does not have, or " +
			"disable_functions takes pcntl_fork, pcntl_waitpid or posix_kill away: Debian's php-cli has them (in a " +
			"php image of Docker: docker-php-ext-install pcntl)")
	}
	return php, nil
}

// Command is the command line of one worker of a PHPFile pool: php, its settings, and the script, which is relative
// to the pool's directory where it can be (see config.Pool.Script). The same pool always gives the same command line.
// PrivateINI has the other settings. temporary is its temporary folder, which wins over that of the machine's php.ini;
// "" leaves it as it is. prelude is the path of Prelude; "" for none.
func Command(binary Binary, pool *config.Pool, temporary, prelude string) []string {
	script := pool.Script
	if strings.HasPrefix(script, "-") {
		script = "./" + script
	}
	command := append([]string{binary.Path}, settingArguments(pool.PHPIni)...)
	command = append(command, temporaryArguments(pool.PHPIni, temporary)...)
	// By -d, for this process alone: what stands in a file holds for PHP that it starts, too, which has no SDK.
	disabled := takenOver
	if prelude != "" {
		command = append(command, "-d", "auto_prepend_file="+prelude)
	}
	if pool.API == config.FrankenPHP {
		disabled += takenByFranken
	}
	if binary.Disabled != "" {
		disabled = binary.Disabled + "," + disabled
	}
	return append(command, "-d", "disable_functions="+disabled, script)
}

// undefined is PHP's word for a function that it does not have.
var undefined = regexp.MustCompile(`Call to undefined function (?:\w+\\)*(\w+)\(\)`)

// Remedy says what to do about a PHP worker that did not boot, by its last words, and by whether it just came to its
// end, or "". It is safe for concurrent use.
func Remedy(said string, done bool) string {
	if done {
		return "the script ran to its end, as a page does that PHP makes anew for each request: serve its folder, " +
			"with `host serve FOLDER` or fpm = true (host help php-fpm), or have it come to the SDK's run()"
	}
	m := undefined.FindStringSubmatch(said)
	if m != nil && strings.HasPrefix(strings.ToLower(m[1]), "frankenphp_") {
		return "the script is written for FrankenPHP's worker mode: write api = \"frankenphp\" into its pool in " +
			"host.toml"
	}
	if m == nil || !slices.Contains(strings.Split(takenOver, ","), strings.ToLower(m[1])) {
		return ""
	}
	return "the host starts PHP without " + m[1] +
		"(), which the SDK defines: load its autoload.php before code that calls it, " +
		"and bring a copy of the SDK that is older than the host up to date with `host sdk php DIR`"
}
