// program.go: what programs beside the workers have in common, those of [service.NAME] and of [[cron]]. To whoever
// starts one it looks like a pool of one command, which has what it takes over from a real pool.

package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/privilege"
)

// SideProgram is one. In the file it is part of a table.
type SideProgram struct {
	Command     []string          `key:"command" absent:"required, unless a cron has path or task" means:"program and arguments, without a shell; a relative path with a slash starts from directory"`
	Pool        string            `key:"pool" absent:"none" means:"pool whose user, folder, environment, limits and confinement it gets, but for what it says itself"`
	Directory   string            `key:"directory" holds:"path" absent:"the pool's; without one the folder of host.toml" means:"working directory"`
	Env         map[string]string `key:"env" absent:"{}" means:"variables, over the pool's and those that are inherited"`
	InheritEnv  []string          `key:"inherit_env" holds:"array of names" absent:"the pool's" means:"variables of the host's environment that it gets, as a pool's"`
	User        string            `key:"user" absent:"the pool's, else the host's; required where that is root" means:"user that it runs as, with the groups of that user; \"root\" is to be written where it is meant"`
	Group       string            `key:"group" absent:"the user's" means:"group that it runs as"`
	StopTimeout time.Duration     `key:"stop_timeout" default:"10s" min:"1ms" means:"time between asking it to stop and killing it with all that it has started"`

	// Stand is a pool whose workers would be run as this program is. It is set once the pools are known.
	Stand *Pool
}

// stand completes the program, once all pools are known. at is its table, and name is for messages.
func (p *SideProgram) stand(c *Config, at, name string, fail fail) {
	stand := &Pool{Name: name, Directory: c.Folder}
	own := p.Pool == ""
	if !own {
		if of := c.Pool(p.Pool); of != nil {
			*stand = *of
		} else {
			fail(at+".pool", "%s", noPool(c, p.Pool))
			return
		}
	}
	stand.Kind, stand.Command, stand.Worker, stand.at = kindOf(stand, own), p.Command, "", at
	if p.Directory != "" {
		if !c.folder(&p.Directory, at+".directory", fail) {
			return
		}
		stand.Directory = p.Directory
	}
	stand.Env = maps.Clone(stand.Env)
	if stand.Env == nil {
		stand.Env = map[string]string{}
	}
	maps.Copy(stand.Env, p.Env)
	for name := range p.Env {
		if name == "" || strings.Contains(name, "=") {
			fail(at+".env."+name, "%q is no name for a variable", name)
		}
	}
	if c.has(at + ".inherit_env") {
		stand.InheritEnv = p.InheritEnv
	}
	for i, name := range p.InheritEnv {
		stand.checkInherited(i, name, fail)
	}
	if p.User != "" || p.Group != "" {
		for _, key := range []string{"user", "group"} {
			if c.has(at+"."+key) && !privilege.Supported {
				fail(at+"."+key, "has no effect on this system: remove it")
				return
			}
		}
		stand.User, stand.Group = p.User, p.Group
		stand.checkIdentity(c, fail)
	}
	if os.Geteuid() == 0 && stand.User == "" {
		fail(at, `would run as root: give it a user, or the pool of a user, or write user = "root" if that is meant`)
	}
	if err := stand.checkCommand(); err != nil {
		fail(at+".command", "%v", err)
	}
	stand.StopTimeout = p.StopTimeout
	p.Stand = stand
}

// kindOf keeps what PHP of the pool would get: its settings reach php that is started here, too.
func kindOf(stand *Pool, own bool) Kind {
	if own || stand.Kind != PHPFile && stand.Kind != FPM {
		return Program
	}
	return stand.Kind
}

// noPool says that there is no pool of that name.
func noPool(c *Config, name string) string {
	names := make([]string, len(c.Pools))
	for i, p := range c.Pools {
		names[i] = p.Name
	}
	if near := Nearest(name, names); near != "" {
		return "there is no pool \"" + name + "\": did you mean \"" + near + "\"?"
	}
	return "there is no pool \"" + name + "\": the pools are " + listed(names)
}

// mostPrograms bounds what is started, and what status has to show.
const mostPrograms = 200

// Service is a program that the host keeps running.
type Service struct {
	Name string
	SideProgram
	StopSignal string `key:"stop_signal" default:"TERM" oneof:"TERM INT QUIT HUP USR1 USR2" means:"signal that asks it, and what it has started, to stop"`
	Reload     string `key:"reload" default:"restart" oneof:"restart signal:HUP signal:USR1 signal:USR2 never" means:"what a reload does with it, once its pool has its new code, or all pools have if it names none: restarts it, sends it a signal, or nothing"`
	MaxMemory  Size   `key:"max_memory" default:"0" min:"0" means:"resident memory, of it and all that it has started together, with which it is restarted; looked at each second, on Linux; 0 is without a limit"`
	LogRate    Size   `key:"log_rate" default:"1MiB" min:"0" means:"how much of what it prints comes into the log in a second, as a worker's; 0 is without a limit"`

	at string
}

// InRealm is the realm that it belongs to, as a pool's.
func (p *SideProgram) InRealm() string { return p.Stand.InRealm() }

func (s *Service) link(c *Config, fail fail) {
	if !c.has(s.at+".command") || len(s.Command) == 0 {
		fail(s.at, "no command: write command = [\"PROGRAM\", \"ARGUMENT\"]")
		return
	}
	s.stand(c, s.at, s.Name, fail)
	for _, key := range []string{"stop_signal", "reload"} {
		if c.has(s.at+"."+key) && os.PathSeparator == '\\' &&
			(key == "stop_signal" || strings.Contains(s.Reload, ":")) {
			fail(s.at+"."+key, "there are no signals on this system: remove it")
		}
	}
}

// linkPrograms completes the services and the entries of cron, once the pools are known.
func (c *Config) linkPrograms(fail fail) {
	if len(c.Services) > mostPrograms || len(c.Cron) > mostPrograms {
		fail("", "expected at most %d services, and as many entries of cron", mostPrograms)
		return
	}
	for _, s := range c.Services {
		s.link(c, fail)
	}
	names := map[string]int{}
	for _, e := range c.Cron {
		e.link(c, fail)
		if first, twice := names[e.Name]; twice {
			fail(e.at, "is named %q, as that in line %d is: write another name", e.Name, first)
		}
		names[e.Name] = lineOf(c.lines, e.at)
	}
}

func (d *decoder) services(at string, v any) (all []*Service) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each service, found %s: write [service.NAME], for example [service.queue]",
			describe(v))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		s := &Service{Name: name, at: join(at, name)}
		if !poolName.MatchString(name) {
			d.fail(s.at, "%q is no name for a service: use a-z, 0-9, - and _, beginning with a letter or a digit",
				name)
			continue
		}
		setDefaults(s)
		d.table(s.at, table[name], s)
		all = append(all, s)
	}
	return all
}

// CronPath is where the host keeps what has run when, once StateFolder("cron") has made the folder.
func (c *Config) CronPath() string {
	return filepath.Join(c.State, "cron", c.own()+".json")
}
