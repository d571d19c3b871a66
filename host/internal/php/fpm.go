// fpm.go: where php-fpm is, and its command line. Its configuration is written by who starts it, workers/fastcgi.

package php

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/workerhost/workerhost/host/internal/config"
)

// fpmSettings are php.ini settings of php-fpm under the host. Each can be overridden in [pool.NAME] php_ini.
var fpmSettings = []struct{ name, value string }{
	// A master runs one release: files that are changed in place must not go live before a reload.
	{"opcache.enable", "1"},
	{"opcache.validate_timestamps", "0"},
	{"opcache.file_update_protection", "0"}, // what was deployed a moment ago is cached as well
	{"opcache.file_cache", ""},
	// Errors go to the host's log, with their request: PHP has a way for them where error_log names no file.
	{"log_errors", "1"},
	{"error_log", ""},
}

// installFPM is the remedy for a missing php-fpm.
const installFPM = "install it (Debian: apt-get install php-fpm), or name the binary with php = \"PATH\" in host.toml"

// fpmVersion is in the first line of php-fpm -v: PHP 8.2.7 (fpm-fcgi).
var fpmVersion = regexp.MustCompile(`^PHP (\d+\.\d+\.\d+\S*) \((\S+)\)`)

// FindFPM finds the php-fpm of an FPM pool, and starts it once to learn its version. Where php names none it is
// php-fpm in $PATH or /usr/sbin, or the highest php-fpmX.Y there, as Debian has them. It ends within ten seconds,
// or with ctx.
func FindFPM(ctx context.Context, pool *config.Pool) (Binary, error) {
	path, err := lookForFPM(pool.PHP)
	if err != nil {
		return Binary{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-v").Output()
	if ctx.Err() != nil {
		return Binary{}, fmt.Errorf("%s: it did not tell its version: %w", path, ctx.Err())
	}
	m := fpmVersion.FindSubmatch(out)
	if m == nil || string(m[2]) != "fpm-fcgi" {
		return Binary{}, fmt.Errorf("%s is no php-fpm: asked for its version, it wrote %.60q: %s",
			path, out, installFPM)
	}
	return Binary{Path: path, Version: string(m[1])}, err
}

// TellsOfChildren says whether a php-fpm can have a socket for its status alone: pm.status_listen came with PHP 8.0.
func (b Binary) TellsOfChildren() bool {
	major, _, _ := strings.Cut(b.Version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 8
}

func lookForFPM(name string) (path string, err error) {
	if name != "" {
		if path, err = exec.LookPath(name); err != nil {
			return "", fmt.Errorf("can't run php = %q: %w: %s", name, config.UnwrapExec(err), installFPM)
		}
		return filepath.Abs(path)
	}
	found := map[float64]string{}
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(folder, "php-fpm")); err == nil {
			return filepath.Abs(path)
		}
		versions, _ := filepath.Glob(filepath.Join(folder, "php-fpm[0-9]*.[0-9]*"))
		for _, path := range versions {
			number, err := strconv.ParseFloat(filepath.Base(path)[len("php-fpm"):], 64)
			if _, e := exec.LookPath(path); err == nil && e == nil {
				found[number] = path
			}
		}
	}
	if len(found) == 0 {
		return "", errors.New("there is no php-fpm in $PATH or /usr/sbin: " + installFPM)
	}
	return filepath.Abs(found[slices.Max(slices.Collect(maps.Keys(found)))])
}

// FPMCommand is the command line of a php-fpm master, to which its configuration is added. PrivateINI has the other
// settings. temporary is its temporary folder; "" leaves it as it is.
func FPMCommand(binary Binary, pool *config.Pool, temporary string) []string {
	command := []string{binary.Path, "--nodaemonize", "--force-stderr"}
	if os.Geteuid() == 0 && pool.Identity == nil {
		command = append(command, "--allow-to-run-as-root") // the host does, and has warned of it
	}
	set := func(name, value string) { command = append(command, "-d", name+"="+value) }
	for _, s := range fpmSettings {
		if value, overridden := pool.PHPIni[s.name]; overridden {
			s.value = value
		}
		set(s.name, s.value)
	}
	for _, name := range slices.Sorted(maps.Keys(pool.PHPIni)) {
		ours := slices.ContainsFunc(fpmSettings, func(s struct{ name, value string }) bool { return s.name == name })
		if !ours && onCommandLine(name) {
			set(name, pool.PHPIni[name])
		}
	}
	return append(command, temporaryArguments(pool.PHPIni, temporary)...)
}
