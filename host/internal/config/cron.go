// cron.go: [[cron]], what is run by the clock.

package config

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/cron/schedule"
)

// Cron is an entry. Exactly one of Command, Path and Task is set.
type Cron struct {
	Name     string        `key:"name" absent:"what is run, and when" means:"name in the log and in host cron: letters, digits, dots, hyphens and underscores"`
	Schedule string        `key:"schedule" absent:"required" means:"minute, hour, day of the month, month and day of the week, such as \"*/5 * * * *\"; six fields begin with seconds; or @hourly, @daily, @weekly, @monthly, @yearly; host help cron says what a change of the clocks does"`
	TimeZone string        `key:"time_zone" absent:"the host's: $TZ, else the system's" means:"whose clocks it goes by, such as \"Europe/Berlin\" or \"UTC\""`
	Path     string        `key:"path" holds:"path of a URL" absent:"command is given instead" means:"what a worker of pool is asked for, with GET and the header X-Worker-Cron; an answer of 400 or above is a failure"`
	Host     string        `key:"host" absent:"localhost" means:"with path, the host that the request is for"`
	Task     string        `key:"task" holds:"name of a queue" absent:"command or path is given instead" means:"a task is pushed to this queue, unless the one before is not over and overlap is false"`
	Payload  Payload       `key:"payload" holds:"anything but a date" absent:"null" means:"with task, its payload"`
	Timeout  time.Duration `key:"timeout" default:"1h" min:"1ms" means:"time for a run, which is ended then"`
	Overlap  bool          `key:"overlap" absent:"false" means:"start a run also while the one before is under way; otherwise it is left out, and counted"`
	Jitter   time.Duration `key:"jitter" default:"0" min:"0" max:"1h" means:"longest time that a run is put off, another one each time"`
	CatchUp  int           `key:"catch_up" default:"0" min:"0" max:"100" means:"how many of those runs are made up for, one after the other, that were missed while no host ran"`
	SideProgram

	// Due is what Schedule and TimeZone stand for.
	Due schedule.Schedule

	at string
}

// Payload is what a task holds: strings, numbers, booleans, arrays and tables of TOML.
type Payload struct{ Value any }

// payload reads one, with the variables of its strings expanded.
func (d *decoder) payload(at string, v any) any {
	switch v := v.(type) {
	case string:
		s, _, _ := d.bytes(at, v)
		return s
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = d.payload(fmt.Sprintf("%s.%d", at, i), v[i])
		}
		return all
	case map[string]any:
		all := make(map[string]any, len(v))
		for key := range v {
			all[key] = d.payload(join(at, key), v[key])
		}
		return all
	case int64, float64, bool:
		return v
	}
	d.fail(at, "expected text, a number, true, false, an array or a table, found %s: write it as a string",
		describe(v))
	return nil
}

// plainName is what a name of an entry consists of.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (e *Cron) link(c *Config, fail fail) {
	zone := time.Local
	if e.TimeZone != "" {
		var err error
		if zone, err = time.LoadLocation(e.TimeZone); err != nil {
			fail(e.at+".time_zone", "%q is no time zone that this system knows: write one such as \"Europe/Berlin\" "+
				"or \"UTC\", or install its zones (Debian: tzdata)", e.TimeZone)
			return
		}
	}
	var err error
	if !c.has(e.at + ".schedule") {
		fail(e.at, "no schedule: write schedule = \"*/5 * * * *\"")
	} else if e.Due, err = schedule.Parse(e.Schedule, zone); err != nil {
		fail(e.at+".schedule", "%v", err)
	}
	if c.has(e.at+".name") && !plainName.MatchString(e.Name) {
		fail(e.at+".name", "expected at most 64 letters, digits, dots, hyphens and underscores, found %s",
			describe(e.Name))
	}
	hasCommand, hasPath, hasTask := c.has(e.at+".command"), c.has(e.at+".path"), c.has(e.at+".task")
	if !hasTask && c.has(e.at+".payload") {
		fail(e.at+".payload", "has no effect without task: remove it")
	}
	switch {
	case hasCommand && hasPath, hasCommand && hasTask, hasPath && hasTask:
		fail(e.at, "several of command, path and task are given: keep one of them")
	case hasPath:
		e.linkPath(c, fail)
	case hasTask:
		e.linkTask(c, fail)
	case hasCommand && len(e.Command) > 0:
		e.call(filepath.Base(e.Command[0]))
		e.stand(c, e.at, e.Name, fail)
		if c.has(e.at + ".host") {
			fail(e.at+".host", "has no effect on a command: remove it")
		}
	default:
		fail(e.at, "nothing to run: write command = [\"PROGRAM\", \"ARGUMENT\"], path = \"/cron\", or task = "+
			"\"QUEUE\"")
	}
}

// call names an entry that has no name.
func (e *Cron) call(what string) {
	if e.Name != "" {
		return
	}
	plain := strings.Map(func(r rune) rune {
		if plainName.MatchString("x" + string(r)) {
			return r
		}
		return '-'
	}, what+"_"+strings.ReplaceAll(e.Schedule, "*", "x"))
	if plain = strings.Trim(plain, "-_."); len(plain) > 64 {
		plain = plain[:64]
	}
	e.Name = plain
}

// linkPath is for what asks a pool.
func (e *Cron) linkPath(c *Config, fail fail) {
	for _, key := range []string{"directory", "env", "inherit_env", "user", "group", "stop_timeout"} {
		if c.has(e.at + "." + key) {
			fail(e.at+"."+key, "has no effect on a path, which the pool's workers answer: remove it")
		}
	}
	checkTargets([]Warmup{{Path: e.Path}}, e.at+".path", func(_, format string, args ...any) {
		fail(e.at+".path", format, args...)
	})
	if strings.ContainsFunc(e.Host, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
		fail(e.at+".host", "expected the name of a host, found %s", describe(e.Host))
	}
	switch {
	case e.Pool == "" && len(c.Pools) == 1:
		e.Pool = c.Pools[0].Name
	case e.Pool == "":
		fail(e.at+".pool", "which one? There are several: write pool = %q", c.Pools[0].Name)
	case c.Pool(e.Pool) == nil:
		fail(e.at+".pool", "%s", noPool(c, e.Pool))
	}
	e.call(e.Path)
}

// linkTask is for what pushes a task.
func (e *Cron) linkTask(c *Config, fail fail) {
	for _, key := range []string{"pool", "directory", "env", "inherit_env", "user", "group", "host", "timeout",
		"stop_timeout"} {
		if c.has(e.at + "." + key) {
			fail(e.at+"."+key, "has no effect on a task, which workers of the queue's pool do: remove it")
		}
	}
	names := make([]string, len(c.Queues))
	for i, q := range c.Queues {
		names[i] = q.Name
	}
	switch {
	case slices.Contains(names, e.Task):
	case len(names) == 0:
		fail(e.at+".task", "there is no queue: write [queue.%s]", e.Task)
	default:
		fail(e.at+".task", "there is no queue %q: the queues are %s", e.Task, listed(names))
	}
	e.call(e.Task)
}

// What is what it runs, for people.
func (e *Cron) What() string {
	if e.Task != "" {
		return "a task of queue " + e.Task
	}
	if e.Path != "" {
		return fmt.Sprintf("%s %s of pool %s", http.MethodGet, e.Path, e.Pool)
	}
	return strings.Join(e.Command, " ")
}

func (d *decoder) cron(at string, v any) (all []*Cron) {
	for i, item := range d.tables(at, v) {
		e := &Cron{at: fmt.Sprintf("%s.%d", at, i)}
		setDefaults(e)
		d.table(e.at, item, e)
		all = append(all, e)
	}
	return all
}
