// auth.go reads the files of users and passwords that routes ask for, and finds ways around them.

package config

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/route"
)

// Auth says who may use a route.
type Auth struct {
	Users string `key:"users" holds:"path" absent:"required" means:"who may use the route: a file with a line USER:HASH for each, HASH by bcrypt, as htpasswd -B writes it; read again at a reload"`
	Realm string `key:"realm" default:"Restricted" means:"what browsers show when they ask for the password"`

	hashes map[string]string
}

// Hashes are those of the users' passwords, by name.
func (a *Auth) Hashes() map[string]string { return a.hashes }

// bcryptHash has the cost that is too much last: from 17 on a check takes ten seconds and more.
var bcryptHash = regexp.MustCompile(`^\$2[abxy]?\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{53}$`)

// mostOfUsers is longer than a file of users is: some hundred thousand.
const mostOfUsers = 8 << 20

// readUsers reads a regular file, and not without end.
func readUsers(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file: name one", path)
	case info.Size() > mostOfUsers:
		return nil, fmt.Errorf("%s has %d bytes, more than any list of users: name another file", path, info.Size())
	}
	return os.ReadFile(path)
}

// check reads the file.
func (a *Auth) check(c *Config, at string, fail fail) {
	if strings.ContainsFunc(a.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		fail(at+".realm", "expected ASCII without quotes, found %s", describe(a.Realm))
	}
	if a.Users == "" {
		fail(at+".users", "the file is missing: write auth = { users = \"FILE\" }")
		return
	}
	a.Users = absolute(c.Folder, a.Users)
	text, err := readUsers(a.Users)
	if err != nil {
		fail(at+".users", "can't read the users: %v", unreadable(a.Users, err))
		return
	}
	a.hashes = map[string]string{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		if !ok || user == "" || !bcryptHash.MatchString(hash) { // which is not for showing
			fail(at+".users", "%s, line %d: expected USER:HASH with a bcrypt hash of a cost from 4 to 16: write "+
				"it with "+
				"htpasswd -B", a.Users, n)
			return
		}
		if a.hashes[user] != "" {
			fail(at+".users", "%s, line %d: %s is there twice: remove one", a.Users, n, describe(user))
			return
		}
		a.hashes[user] = hash
	}
	if len(a.hashes) == 0 {
		fail(at+".users", "%s has no user: write one with htpasswd -B", a.Users)
	}
}

// warnOfOpenNames finds routes that are guarded for some hosts and whose pool gives the same path under others to all.
func (c *Config) warnOfOpenNames(l *Listen) {
	routes, table, err := c.RoutesOf(l)
	if table == nil || err != nil {
		return
	}
	names := []string{"any.other.name"}
	for _, e := range table.Order() {
		if e.Host == "" {
			continue
		}
		names = append(names, strings.Replace(e.Host, "*", "any", 1))
	}
	for _, r := range routes {
		if !r.guarded() || len(r.Host) == 0 || r.Pool == "" {
			continue
		}
		if name, by := c.openName(l, r, routes, table, names); by != "" {
			at := r.at + ".host"
			w := c.ProblemAt(at, fmt.Sprintf("%s: it is guarded under these names alone, and pool %s "+
				"answers the same path to all, under %s, %s: leave host out, name all of them, or write "+
				"strict_hosts = true in the [[listen]]", label(at), r.Pool, name, by))
			if !slices.ContainsFunc(c.Warnings, func(old *Problem) bool { return *old == *w }) {
				c.Warnings = append(c.Warnings, w)
			}
		}
	}
}

// openName is a name under which the pool of a guarded route answers a path of it unguarded, and by what; "" for none.
func (c *Config) openName(l *Listen, r *Route, routes []*Route, table *route.Table, names []string) (name, by string) {
	for _, name := range names {
		for _, path := range append(r.Path[:len(r.Path):len(r.Path)], "/*")[:max(1, len(r.Path))] {
			method := cmp.Or(first(r.Method), http.MethodGet)
			switch i := table.Match(name, strings.TrimSuffix(path, "*"), method); {
			case i >= 0:
				if other := routes[i]; !other.guarded() && other.Pool == r.Pool && other.Strip == r.Strip {
					if name == names[0] {
						name = "any other"
					}
					return name, fmt.Sprintf("by the route in line %d", lineOf(c.lines, other.at))
				}
			case l.Pool == r.Pool && r.Strip == "" && (!l.Strict || table.Knows(name)):
				if name == names[0] {
					name = "any other"
				}
				return name, "as the listener " + l.Address + " leads to it"
			}
		}
	}
	return "", ""
}
