// Routes for those alone who know a password.

package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/protocol"
)

// Auth says who may use a route: whoever gives a user's password (RFC 7617).
type Auth struct {
	Users *guard.Passwords
	Realm string // what browsers show when they ask for it, without quotes
}

// guards are what a request has to pass.
type guards struct {
	auth      []*Auth
	addresses []*guard.Addresses
	limits    []*guard.RateLimit // of the routes of auth
}

// guards are those of all routes that a canonical path may belong to for code that reads it in another way than the
// table does, and the rate limits of these routes, which bound who guesses.
func (t *terms) guards(host, path, target, method string) (all guards) {
	methods := []string{method}
	if upper := strings.ToUpper(method); upper != method { // frameworks take post for POST
		methods = append(methods, upper)
	}
	add := func(rule int) {
		if rule < 0 {
			return
		}
		r := t.routes[rule]
		if a := r.Route.Addresses; a != nil && !slices.Contains(all.addresses, a) {
			all.addresses = append(all.addresses, a)
		}
		if a := r.Route.Auth; a != nil && !slices.Contains(all.auth, a) {
			all.auth = append(all.auth, a)
			if r.RateLimit != nil && !slices.Contains(all.limits, r.RateLimit) {
				all.limits = append(all.limits, r.RateLimit)
			}
		}
	}
	paths, files := readings(path, target, t.indexed)
	for _, method := range methods {
		for _, reading := range paths {
			add(t.Routes.Table.Match(host, reading, method))
		}
		for _, file := range files {
			add(t.Routes.Table.MatchExact(host, file, method))
		}
	}
	return all
}

// mayCome says whether all the routes that the request may belong to let its client's address in.
func (v *visit) mayCome() bool {
	shut := func(a *guard.Addresses) bool { return !a.Let(v.r.RemoteAddr) }
	return !slices.ContainsFunc(v.guards.addresses, shut)
}

// readings are the path itself and what others may take it for: a framework's router sees a slash in %2F; PHP's
// parse_url takes what //begins a target for a host; a script is asked for with more behind it, which it may take for
// its path, below its own folder or not. files are what may answer without being named whole: that script, and, if
// indexed says that it is asked for, the index of a folder.
func readings(path, target string, indexed bool) (all, files []string) {
	all = []string{path}
	if rest, ok := strings.CutPrefix(target, "//"); ok {
		rest, _, _ = strings.Cut(rest, "?")
		if _, behind, ok := strings.Cut(rest, "/"); ok {
			if p, ok := protocol.CanonicalPath("/" + behind); ok {
				all = append(all, p)
			}
		}
	}
	for _, p := range all {
		if decoded, err := url.PathUnescape(p); err == nil && decoded != p {
			all = append(all, decoded, protocol.ResolvePath(decoded))
		}
	}
	for _, p := range all {
		for at := 0; ; {
			i := strings.Index(p[at:], ".php/")
			if i < 0 {
				break
			}
			at += i + len(".php")
			script, behind := p[:at], protocol.ResolvePath(p[at:])
			files = append(files, script)
			all = append(all, behind, protocol.ResolvePath(script[:strings.LastIndexByte(script, '/')]+behind))
		}
	}
	for _, p := range all {
		if !indexed {
			break
		}
		folder := strings.TrimSuffix(p, "/") + "/"
		files = append(files, folder+"index.php", folder+indexPage)
	}
	return all, files
}

// guardsIndex says whether a guarded route names the index of a folder by its path. Without one nobody has to think of
// what a folder's path stands for, at the cost of strings for each request.
func (r *Routes) guardsIndex() bool {
	return slices.ContainsFunc(r.Table.Order(), func(e route.Entry) bool {
		return r.Terms[e.Rule].Route.guarded() &&
			(strings.HasSuffix(e.Path, "/index.php") || strings.HasSuffix(e.Path, "/"+indexPage))
	})
}

// passGuards passes those that remember the password.
func (v *visit) passGuards() {
	if user, password, ok := v.basicAuth(); ok {
		known := func(a *Auth) bool { return a.Users.Remembers(user, password) }
		v.guards.auth = slices.DeleteFunc(v.guards.auth, known)
	}
}

// unproven says whether a password has to be checked, which takes its time.
func (v *visit) unproven() bool {
	if len(v.guards.auth) == 0 {
		return false
	}
	_, _, ok := v.basicAuth()
	return ok
}

// authorized says whether the request may pass the guards that are left. If not, it has been refused. It waits where
// unproven says so.
func (v *visit) authorized() bool {
	for _, a := range v.guards.auth {
		user, password, ok := v.basicAuth()
		good, busy := false, false
		if ok {
			good, busy = a.Users.Check(user, password, v.r.RemoteAddr)
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
