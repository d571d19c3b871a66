// pusher.go is [pusher.NAME]: apps that speak Pusher's protocol, which routes lead to.

package config

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Pusher is an app as Pusher has it: channels for browsers, and an HTTP API for the servers that send to them.
type Pusher struct {
	Name string

	ID              string        `key:"id" absent:"required" means:"id of the app, in the paths of its HTTP API"`
	Key             string        `key:"key" absent:"required" means:"key of the app, by which browsers ask for it; it is no secret"`
	SecretFrom      string        `key:"secret" holds:"path, or env:NAME" absent:"required" means:"file that holds the app's secret, space around it aside, or variable of the host's environment; private channels and requests of the HTTP API are signed with it. It is read at the start and at each reload"`
	Pool            string        `key:"pool" absent:"any, if all are of one realm" means:"pool whose realm the clients are in, so that its workers may send to them"`
	ClientEvents    bool          `key:"client_events" default:"false" means:"whether clients may send events to each other, in private channels and those with presence"`
	Origins         []string      `key:"origins" absent:"allowed_origins of the listener" means:"as allowed_origins of the listener, in its place"`
	ActivityTimeout time.Duration `key:"activity_timeout" default:"2m" min:"1s" max:"1h" means:"silence after which clients ask whether the host is still there, as they are told; the host asks by itself, see ping_interval of [[listen]]"`
	MaxMembers      int           `key:"max_members" default:"1000" min:"1" max:"100000" means:"users that a channel with presence may have; each who comes is told of all"`
	MaxEvent        Size          `key:"max_event" default:"100KiB" min:"1" max:"16MiB" means:"largest data of an event; beyond it the HTTP API answers 413"`

	at     string
	env    bool // SecretFrom names a variable
	secret string
}

// Secret is what it signs with.
func (p *Pusher) Secret() string { return p.secret }

var appWord = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (d *decoder) pushers(at string, v any) (all []*Pusher) {
	table, ok := v.(map[string]any)
	if !ok {
		d.fail(at, "expected a table for each app, found %s: write [pusher.NAME], for example [pusher.main]",
			describe(v))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		p := &Pusher{Name: name, at: join(at, name)}
		if !poolName.MatchString(name) {
			d.fail(p.at, "%q is no name for an app: use a-z, 0-9, - and _, beginning with a letter or a digit", name)
			continue
		}
		setDefaults(p)
		d.table(p.at, table[name], p)
		if variable, is := strings.CutPrefix(p.SecretFrom, "env:"); is {
			value, set := d.env(variable)
			if p.env, p.secret = true, strings.TrimSpace(value); !set {
				d.fail(p.at+".secret", "the host's environment has no variable %q", variable)
			}
		}
		all = append(all, p)
	}
	return all
}

// Pusher is the app of that name, or nil.
func (c *Config) Pusher(name string) *Pusher {
	for _, p := range c.Pushers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// linkPushers looks at the apps, once the pools are known, and ties routes to them.
func (c *Config) linkPushers(names []string, fail fail) {
	led := map[string]bool{}
	for _, r := range c.Routes {
		if led[r.Pusher] = true; r.Pusher == "" || c.Pusher(r.Pusher) != nil {
			continue
		}
		apps := []string{}
		for _, p := range c.Pushers {
			apps = append(apps, p.Name)
		}
		hint := "write [pusher." + r.Pusher + "]"
		if name := Nearest(r.Pusher, apps); name != "" {
			hint = fmt.Sprintf("did you mean %q?", name)
		}
		fail(r.at+".pusher", "there is no app %q: %s", r.Pusher, hint)
	}
	for _, p := range c.Pushers {
		p.check(c, fail)
		p.linkPool(c, names, fail)
		if !led[p.Name] {
			fail(p.at, "no route leads to it: write\n\n    [[route]]\n    path = [\"/app/*\", \"/apps/*\"]\n"+
				"    pusher = %q\n", p.Name)
		}
	}
}

// linkPool finds the pool whose realm the app is in.
func (p *Pusher) linkPool(c *Config, names []string, fail fail) {
	if p.Pool == "" && len(c.Realms()) == 1 {
		p.Pool = c.Pools[0].Name
	}
	switch {
	case p.Pool == "":
		fail(p.at, "the pools are in several realms, and workers of one may send to its clients: write pool = %q",
			first(names))
	case c.Pool(p.Pool) == nil:
		hint := "the pools are " + listed(names)
		if name := Nearest(p.Pool, names); name != "" {
			hint = fmt.Sprintf("did you mean %q?", name)
		}
		fail(p.at+".pool", "there is no pool %q: %s", p.Pool, hint)
	}
}

// check looks at an app by itself.
func (p *Pusher) check(c *Config, fail fail) {
	for _, word := range []struct{ key, value string }{{"id", p.ID}, {"key", p.Key}} {
		if !appWord.MatchString(word.value) {
			fail(p.at+"."+word.key, "expected 1 to 64 letters, digits, - and _, as the application has it, found %s",
				describe(word.value))
		}
	}
	checkOrigins(p.Origins, p.at+".origins", fail)
	at := p.at + ".secret"
	switch {
	case p.SecretFrom == "":
		fail(at, "is missing: write secret = \"FILE\", or secret = \"env:NAME\" for a variable of the environment")
		return
	case !p.env:
		p.SecretFrom = absolute(c.Folder, p.SecretFrom)
		data, err := os.ReadFile(p.SecretFrom)
		if err != nil {
			fail(at, "can't be read: %v", unreadable(p.SecretFrom, err))
			return
		}
		p.secret = strings.TrimSpace(string(data))
	}
	if p.secret == "" || strings.ContainsAny(p.secret, " \t\r\n\x00") {
		fail(at, "%s holds no secret: expected one word", p.SecretFrom) // which is not for showing
	}
}
