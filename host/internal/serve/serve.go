// host serve: reads the configuration, and runs a host in the foreground.

package serve

import (
	"sync"
	"time"

	"github.com/spf13/pflag"
	"github.com/workerhost/workerhost/host/internal/activation"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/machine"
)

// Command is host serve.
func Command() *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Arguments: "[WORKER | -- COMMAND...]",
		Summary:   "Serve, in the foreground",
		Detail: `WORKER is a .php file, or a folder that holds worker.php or a Go main package; after -- it is any
command that speaks the worker protocol. Without it the pools of host.toml are served. A folder that has a
host.toml is served by that, as with -c. Flags win over the file.

SIGTERM and SIGINT stop gracefully, and at once the second time. SIGUSR1 reloads, and SIGUSR2 reopens the access
log. SIGHUP reloads too, or stops if standard input is a terminal. SIGQUIT dumps all stacks.

--watch is for development: when code, templates or settings of a pool change, the pool is reloaded; when
host.toml changes, everything is. Broken code leaves the old one serving; the error is in the log, and in place
of every page that a browser asks for, until it is mended. It implies --dev, unless --dev=false is given. Folders
that programs write to themselves are left out: vendor, node_modules, var, storage, cache, tmp, log and those
whose names begin with a dot.

--tls has listeners of HTTP that have no certificate speak HTTPS with one for localhost, 127.0.0.1 and ::1. It is
signed by itself and kept in the state folder, so a browser asks about it once: host help tls.

--leaks is for development, too, and implies --dev likewise: each pool of PHP has one worker, every GET and HEAD
is repeated there four times after its client has the answer, and what one leaves behind for the next is logged:
host help leaks.`,
		Example: `host serve examples/hello-php
host serve -l :8080 -l unix:/run/app/http.sock -n 16 worker.php
host serve --watch --leaks worker.php
host serve --watch --tls worker.php
host serve -c /etc/app/host.toml
host serve -- ./my-worker --verbose`,
		Define: func(f *pflag.FlagSet) func(*cli.Terminal, []string) error {
			settings := cli.SettingFlags(f)
			watch := watchFlag(f)
			leaks := f.Bool("leaks", false, "repeat each GET and HEAD, and log what it leaves behind in the worker; "+
				"for development")
			return func(t *cli.Terminal, args []string) (err error) {
				passed, err := activation.Inherit()
				if err != nil {
					return err
				}
				closeOnExec()
				before, err := arrive()
				if err != nil {
					return err
				}
				defer func() { before.end(err) }()
				if err := machine.CheckAddressSpace(); err != nil {
					return err
				}
				c, err := settings(args)
				if err != nil {
					return err
				}
				mode, err := watch()
				if err != nil {
					return err
				}
				if (mode != watchOff || *leaks) && !f.Changed("dev") {
					c.Dev = true
				}
				if *leaks {
					if err := inspected(c); err != nil {
						return err
					}
				}
				if err := c.MakeLocalTLS(time.Now()); err != nil {
					return err
				}
				log := newLogger(c.Log)
				for _, w := range c.WarningsAt(time.Now()) {
					log.Warn(w.Error())
				}
				if c.Dev {
					log.Warn("--dev: responses show errors with their trace to every client")
				}
				log.Debug("configuration", "file", c.Path, "control", c.Control)
				h := newHost(c, log)
				h.upgrade.passed = passed
				h.succeed(before)
				var reading sync.Mutex // the flags are read by one at a time
				h.load = func() (*config.Config, error) {
					reading.Lock()
					defer reading.Unlock()
					if c.Path == "" {
						return c, nil // a file that comes later is not the one that this host was started with
					}
					f.Set("config", c.Path)
					again, err := settings(args)
					if err != nil {
						return nil, err
					}
					again.Dev = c.Dev
					if err := again.MakeLocalTLS(time.Now()); err != nil {
						return nil, err
					}
					if *leaks {
						err = inspected(again)
					}
					return again, err
				}
				h.watch, h.leaks = mode, *leaks
				return h.afterwards(h.run())
			}
		},
	}
}
