// Routes for those alone who know a password.

package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/protocol"
)

// Auth says who may use a route: whoever gives a user's password (RFC 7617).
type Auth struct {
	Users *guard.Passwords
	Realm string // what browsers show when they ask for it, without quotes
}

// guards are those of all routes that a canonical path may belong to for code that decodes it further than the table
// does: a framework's router may see a slash in %2F, and a path behind index.php.
func (t *terms) guards(host, path, method string) (all []*Auth) {
	for _, reading := range readings(path) {
		i := t.Routes.Table.Match(host, reading, method)
		if i < 0 {
			continue
		}
		if a := t.routes[i].Route.Auth; a != nil && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// readings are the path itself and what others may take it for.
func readings(path string) []string {
	all := []string{path}
	if decoded, err := url.PathUnescape(path); err == nil && decoded != path {
		all = append(all, decoded, protocol.ResolvePath(decoded))
	}
	for _, p := range all {
		for rest := p; ; {
			i := strings.Index(rest, ".php/")
			if i < 0 {
				break
			}
			rest = rest[i+len(".php"):]
			all = append(all, protocol.ResolvePath(rest))
		}
	}
	return all
}

// passGuards passes those that remember the password.
func (v *visit) passGuards() {
	if user, password, ok := v.r.BasicAuth(); ok {
		v.guards = slices.DeleteFunc(v.guards, func(a *Auth) bool { return a.Users.Remembers(user, password) })
	}
}

// unproven says whether a password has to be checked, which takes its time.
func (v *visit) unproven() bool {
	if len(v.guards) == 0 {
		return false
	}
	_, _, ok := v.r.BasicAuth()
	return ok
}

// authorized says whether the request may pass the guards that are left. If not, it has been refused. It waits where
// unproven says so.
func (v *visit) authorized() bool {
	for _, a := range v.guards {
		user, password, ok := v.r.BasicAuth()
		good, busy := false, false
		if ok {
			good, busy = a.Users.Check(user, password)
		}
		switch {
		case good:
			continue
		case busy:
			v.handler.tally.refused[RefusedPassword].Add(1)
			v.blame(RefusedPassword.String())
			v.reply(verdict{status: http.StatusServiceUnavailable, later: true})
		default:
			v.w.Header()["Www-Authenticate"] = []string{`Basic realm="` + a.Realm + `", charset="UTF-8"`}
			v.refused(http.StatusUnauthorized, "")
			v.reply(verdict{status: http.StatusUnauthorized})
		}
		return false
	}
	return true
}
