// Routes: which terms a request is served under, by its host, path and method, and what is the host's own to do of
// what they say.

package web

import (
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/route"
	"github.com/workerhost/workerhost/protocol"
)

// Routes have part of a listener's requests served under terms of their own.
type Routes struct {
	Table  *route.Table
	Terms  []Terms // by rule; no Routes in them
	Only   bool    // what no route takes is 404, and not for the listener's own terms
	Strict bool    // what no route takes, under a name that none knows, is 421
}

// Route is what is done with the requests of a route beside what terms say of all. The zero one does nothing.
type Route struct {
	Name    string
	Strip   string   // what workers and files don't see of a path's beginning: "/api"
	Headers []string // of all answers: name, value, name, value, …; names are canonical
	// Fallback is the file of Public for paths without an extension that are no file; "" is none.
	Fallback string
	// Status is the answer, after files; 0 leaves that to the Backend. Location goes with it, unless it is "": {host}
	// in it is the request's without a port, {target} its target as workers would see it.
	Status   int
	Location string
	Auth     *Auth // nil: all may use it
	Cors     *Cors // nil: what it says of other origins' pages is the workers' to say
	// Addresses are of those who may use it; nil: all.
	Addresses *guard.Addresses
	// Asks are headers of all requests, as workers see them: name, value, name, value, …; names are canonical. One
	// whose value is "" is taken away.
	Asks []string
	// Timeout is in place of the request time-out of the pool; 0 is the pool's, less than 0 none.
	Timeout time.Duration
}

// guarded says whether the route is not for all.
func (r *Route) guarded() bool { return r.Auth != nil || r.Addresses != nil }

// choose has the visit go on under the terms of the route that takes the request. status is 0, or what is wrong.
func (v *visit) choose() (status int, wrong string) {
	routes := v.terms.Routes
	path, ok := protocol.CanonicalPath(v.target)
	if !ok && v.target != "*" {
		return http.StatusBadRequest, "a path that has no canonical form"
	}
	if v.terms.guarded {
		v.guards = v.terms.guards(v.r.Host, path, v.target, v.r.Method)
		if !v.mayCome() {
			return http.StatusForbidden, "an address that the route does not let in"
		}
		v.passGuards()
	}
	i := routes.Table.Match(v.r.Host, path, v.r.Method)
	switch {
	case i >= 0:
	case routes.Strict && !routes.Table.Knows(v.r.Host):
		return http.StatusMisdirectedRequest, "a host that no route names"
	case routes.Only:
		return http.StatusNotFound, "no route takes it"
	default:
		return 0, ""
	}
	v.serveUnder(v.terms.routes[i])
	v.terms.taken.Add(1)
	r := &v.terms.Route
	for i := 0; i+1 < len(r.Headers); i += 2 {
		v.w.Header()[r.Headers[i]] = []string{r.Headers[i+1]}
	}
	for i := 0; i+1 < len(r.Asks); i += 2 {
		if v.set(r.Asks[i], r.Asks[i+1]); r.Asks[i+1] == "" {
			v.remove(func(name string) bool { return name == r.Asks[i] })
		}
	}
	if r.Strip != "" {
		v.target = stripped(v.target, path, r.Strip)
		prefix := r.Strip
		if v.terms.Proxies != nil && v.terms.Proxies.Trusts(v.peer) {
			prefix = v.value(prefixHeader) + prefix
		}
		v.set(prefixHeader, prefix)
	}
	return 0, ""
}

// prefixHeader tells workers what was stripped; frameworks know it.
const prefixHeader = "X-Forwarded-Prefix"

// serveUnder has the visit go on under the terms of a part of the requests.
func (v *visit) serveUnder(t *terms) {
	before := v.terms.Access
	v.terms = t
	if t.Access != before {
		if v.access != nil {
			v.access.Release()
		}
		began := v.recorder.entry.Began
		v.noteTo(v.handler.accessLog(t))
		if v.entry != nil && !began.IsZero() {
			v.entry.Began = began
		}
	}
	if v.entry != nil {
		v.entry.Route = t.Route.Name
	}
}

// stripped is a target without strip, which its canonical path begins with: in canonical form, since dots behind strip
// might lead above it.
func stripped(target, path, strip string) string {
	rest := strings.TrimPrefix(path, strip)
	if rest == "" {
		rest = "/"
	}
	if _, query, asks := strings.Cut(target, "?"); asks {
		rest += "?" + query
	}
	return rest
}

// answerByRoute says whether the route itself is the answer.
func (v *visit) answerByRoute() bool {
	r := &v.terms.Route
	if r.Status == 0 {
		return false
	}
	with := verdict{status: r.Status}
	if r.Location != "" {
		name := route.Name(v.r.Host)
		if name == "" && strings.Contains(r.Location, "{host}") {
			v.refuse(nil, verdict{status: http.StatusBadRequest}, "no host to send it to")
			return true
		}
		to := strings.NewReplacer("{host}", name, "{target}", v.target).Replace(r.Location)
		v.w.Header()["Location"] = []string{to}
		with.text = "It is at " + to
	}
	v.reply(with)
	return true
}

// reply answers a request that is not the Backend's.
func (v *visit) reply(with verdict) {
	if v.r.ContentLength == 0 {
		v.answer(with, "")
		return
	}
	if v.r.ProtoMajor == 1 {
		v.w.Header()["Connection"] = closing
	}
	v.answer(with, "")
	v.linger(v.intake(), v.r.Context().Err() != nil)
}

// sets says whether a header, by its canonical name, is the host's to set: the id stays the one of the log, and what
// the route gives all answers wins.
func (t *Terms) sets(name string) bool {
	if name == t.RequestID || t.Route.Cors != nil && ofCors(name) {
		return true
	}
	for i := 0; i < len(t.Route.Headers); i += 2 {
		if t.Route.Headers[i] == name {
			return true
		}
	}
	return false
}

// successor is under which terms goes on what began under before when t comes in its place: the same route's, or those
// whose Backend is the same.
func (t *terms) successor(before *terms) *terms {
	all := append([]*terms{t}, t.routes...)
	for _, other := range all {
		if other.Route.Name == before.Route.Name && other.Hub == before.Hub {
			return other
		}
	}
	for _, other := range all {
		if other.Backend == before.Backend && other.Route.Status == 0 {
			return other
		}
	}
	return t
}

// heir is whose connections those of before become when t comes in its place: the successor's. nil if that is of
// another realm: then they stay as they are until somebody closes them.
func (t *terms) heir(before *terms) *terms {
	if heir := t.successor(before); heir.Hub == before.Hub {
		return heir
	}
	return nil
}

// tallies count the requests of routes by name, across changes of terms.
type tallies map[string]*atomic.Uint64

// count has terms that come in count the requests of their routes. The caller holds mu.
func (h *Handler) count(t *terms) {
	for _, of := range t.routes {
		name := of.Route.Name
		if h.routed[name] == nil {
			h.routed[name] = new(atomic.Uint64)
		}
		of.taken = h.routed[name]
	}
}

// Routed is how many requests each route has taken, by name, the most exact first.
func (h *Handler) Routed() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		t := h.terms.Load()
		if t.Routes == nil {
			return
		}
		told := make([]bool, len(t.routes))
		for _, e := range t.Routes.Table.Order() {
			of := t.routes[e.Rule]
			if !told[e.Rule] && !yield(of.Route.Name, of.taken.Load()) {
				return
			}
			told[e.Rule] = true
		}
	}
}
