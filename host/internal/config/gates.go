// gates.go is what a reload has to pass: commands before and after it, and what new code has to answer.

package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Reloading is [reload].
type Reloading struct {
	Gates // of the only pool
	Course
}

// Course is how reloads of all pools go.
type Course struct {
	Notify Hook          `key:"notify" holds:"URL" live:"yes" absent:"off" means:"where the entry of the journal is posted as JSON after each reload: http or https; tried up to five times, and never waited for"`
	Pace   time.Duration `key:"pace" live:"yes" default:"0" min:"0" means:"longest time to wait before each worker but the first, while requests queue or the machine has no processor to spare; 0 is off, and host reload --pace is for once"`
}

// Hook is the address of a webhook. Who knows it may post there, so that it is secret, but for its host.
type Hook string

// String is what may be shown.
func (h Hook) String() string {
	if h == "" {
		return "off"
	}
	u, err := url.Parse(string(h))
	if err != nil {
		return "set"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

func (h Hook) check(fail fail) {
	if h == "" {
		return
	}
	if u, err := url.Parse(string(h)); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		fail("reload.notify", "expected a URL of http or https, such as \"https://example.org/deployed\"")
	}
}

// Gates are what a reload of a pool has to pass.
type Gates struct {
	Before    Commands      `key:"before" absent:"[]" means:"commands, such as [[\"./migrate\", \"--force\"]], that run one after the other before a reload changes anything, in the new release's folder, as the pool's user and with its environment, limits and confinement; the first that fails ends the reload"`
	Check     []Warmup      `key:"check" holds:"array of paths of URLs, or tables" absent:"[]" means:"as warmup, but asked in a reload alone, and of the first new worker: another answer ends the reload before anything is changed"`
	After     Commands      `key:"after" absent:"[]" means:"commands, likewise, that run when all pools have their new code, and before [http], routes and listeners change"`
	OnFailure string        `key:"on_failure" default:"back" oneof:"back keep" means:"what a command of after that fails does: back puts the code before in its place again, for which releases have folders of their own; keep only warns"`
	Timeout   time.Duration `key:"timeout" default:"5m" min:"1ms" means:"time for each command, which is ended with all that it has started"`
}

// Commands are programs with their arguments.
type Commands [][]string

// String shows them to people.
func (c Commands) String() string {
	if len(c) == 0 {
		return "none"
	}
	var all []string
	for _, command := range c {
		all = append(all, strings.Join(command, " "))
	}
	return strings.Join(all, "; ")
}

// given says whether anything has to be passed.
func (g *Gates) given() bool { return len(g.Before)+len(g.Check)+len(g.After) > 0 }

// commands reads an array of arrays.
func (d *decoder) commands(at string, v any) (all Commands) {
	items, ok := v.([]any)
	for i, item := range items {
		if _, nested := item.([]any); !nested {
			ok = false
			break
		}
		all = append(all, d.texts(fmt.Sprintf("%s.%d", at, i), item))
	}
	if !ok {
		d.fail(at, "expected an array of commands, each of them an array of strings, found %s: write "+
			"[[\"PROGRAM\", \"ARGUMENT\"]]", describe(v))
	}
	return all
}

// recent, among the paths of warmup, stands for what was asked for of late.
const recent = "recent"

func (wu Warmup) isRecent() bool { return wu.Path == recent && wu.Status == 0 }

// Replays says whether a new worker is asked for what was asked for of late, too.
func (p *Pool) Replays() bool { return slices.ContainsFunc(p.Warmup, Warmup.isRecent) }

// checkTargets refuses what can't be asked of a worker.
func checkTargets(targets []Warmup, at string, fail fail) {
	for i, wu := range targets {
		if target := wu.Path; !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, func(r rune) bool {
			return r <= ' ' || r == '#' || r > '~'
		}) {
			fail(fmt.Sprintf("%s.%d", at, i),
				"expected the path of a URL, found %q: write one such as \"/health\"", target)
		}
	}
}

// linkGates gives [reload]'s to the only pool, and looks at those of all.
func (c *Config) linkGates(fail fail) {
	if own := &c.Reload.Gates; own.given() {
		switch {
		case len(c.Pools) > 1:
			fail("reload", "of which pool? There are several: write what they have to pass into [pool.%s.reload]",
				c.Pools[0].Name)
		case c.Pools[0].Gates.given() && !reflect.DeepEqual(c.Pools[0].Gates, *own): // which it may have got before
			fail("reload", "[pool.%s.reload] has gates, too: keep one of them", c.Pools[0].Name)
		default:
			c.Pools[0].Gates = *own
			c.Pools[0].Gates.check(c.Pools[0], "reload", fail)
		}
	}
	for _, p := range c.Pools {
		if !c.Reload.given() || len(c.Pools) > 1 {
			p.Gates.check(p, p.at+".reload", fail)
		}
	}
}

func (g *Gates) check(p *Pool, at string, fail fail) {
	checkTargets(g.Check, at+".check", fail)
	for key, commands := range map[string]Commands{"before": g.Before, "after": g.After} {
		for i, command := range commands {
			if len(command) == 0 || command[0] == "" {
				fail(fmt.Sprintf("%s.%s.%d", at, key, i), "no program: write [\"PROGRAM\", \"ARGUMENT\"]")
			}
		}
		if len(commands) > 0 && os.Geteuid() == 0 && p.User == "" {
			fail(at+"."+key, "would run as root: give [pool.%s] a user, or write user = \"root\" there if that is "+
				"meant", p.Name)
		}
	}
	if resolved, err := filepath.EvalSymlinks(p.Directory); len(g.After) > 0 && g.OnFailure == "back" && err == nil &&
		resolved == p.Directory {
		fail(at+".after", "can't turn back, since %s is edited in place: deploy each release to a folder of its own, "+
			"and have directory be a symlink to it; or write on_failure = \"keep\"", p.Directory)
	}
}
