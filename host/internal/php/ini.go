// ini.go: where a pool's php.ini settings go. Everybody on the machine can read a command line, and a setting may hold
// a password; so what a pool adds goes into a file that only its user can read.

package php

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/privilege"
)

// fixedByCLI are settings that php's command line lays over every file, so that only its own -d can change them. None
// of them is a secret.
var fixedByCLI = []string{"html_errors", "register_argc_argv", "implicit_flush", "output_buffering",
	"max_execution_time", "max_input_time"}

// settingArguments gives our settings in their order, overridden by the pool's own, and those that work nowhere else.
func settingArguments(own config.Settings) []string {
	var arguments []string
	for _, s := range residentSettings {
		if value, overridden := own[s.name]; overridden {
			s.value = value
		}
		arguments = append(arguments, "-d", s.name+"="+s.value)
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !isResident(name) && slices.Contains(fixedByCLI, name) {
			arguments = append(arguments, "-d", name+"="+own[name])
		}
	}
	return arguments
}

// temporaryArguments have php use the pool's temporary folder, "" being that of the machine's php.ini, where the pool
// does not say otherwise.
func temporaryArguments(own config.Settings, temporary string) (arguments []string) {
	for _, name := range []string{"sys_temp_dir", "opcache.lockfile_path"} {
		if _, overridden := own[name]; !overridden && temporary != "" {
			arguments = append(arguments, "-d", name+"="+temporary)
		}
	}
	return arguments
}

func isResident(name string) bool {
	for _, s := range residentSettings {
		if s.name == name {
			return true
		}
	}
	return false
}

// onCommandLine says whether a setting of the pool's goes there, and not into PrivateINI.
func onCommandLine(name string) bool { return isResident(name) || slices.Contains(fixedByCLI, name) }

// PrivateINI is a php.ini file with those of the pool's settings that are not on the command line; "" if there are
// none. A value reads as after php's -d.
func PrivateINI(p *config.Pool) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.PHPIni)) {
		if onCommandLine(name) {
			continue
		}
		value := p.PHPIni[name]
		if value != "" && !isAlphanumeric(value[0]) && value[0] != '"' && value[0] != '\'' {
			value = `"` + value + `"`
		}
		fmt.Fprintf(&text, "%s=%s\n", name, value)
	}
	return text.String()
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// ScanFolder is the entry of an environment that has php read the .ini files of a folder, after all others.
func ScanFolder(environ []string, folder string) string {
	const name = "PHP_INI_SCAN_DIR="
	value := string(os.PathListSeparator) + folder // the empty part is the folder that php was built with
	for _, pair := range environ {
		if before, found := strings.CutPrefix(pair, name); found {
			value = before + string(os.PathListSeparator) + folder
			if before == "" {
				value = folder // it was switched off
			}
		}
	}
	return name + value
}

// probing is php with the settings of the pool, a temporary folder as its workers have one, and as its user, for a
// moment. Call clean when it has ended.
func probing(ctx context.Context, path string, pool *config.Pool, arguments ...string) (cmd *exec.Cmd,
	temporary string, clean func(), err error) {
	private := new(privilege.Folder)
	defer func() {
		if err != nil {
			private.Close()
		}
	}()
	owner := pool.Identity
	if os.Geteuid() != 0 {
		owner = nil // it can't be another; whether the workers can be is found out when they start
	}
	if temporary = pool.Env["TMPDIR"]; temporary == "" {
		if temporary, err = private.Temporary(owner); err != nil {
			return nil, "", nil, err
		}
	}
	cmd = exec.CommandContext(ctx, path,
		slices.Concat(settingArguments(pool.PHPIni), temporaryArguments(pool.PHPIni, temporary), arguments)...)
	cmd.Env = pool.Environ(os.Environ())
	cmd.WaitDelay = time.Second
	privilege.RunAs(cmd, owner)
	if text := PrivateINI(pool); text != "" {
		folder, err := private.Settings(owner, text)
		if err != nil {
			return nil, "", nil, err
		}
		cmd.Env = append(cmd.Env, ScanFolder(cmd.Env, folder))
	}
	return cmd, temporary, private.Close, nil
}
