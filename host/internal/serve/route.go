// route.go: what the routes of the configuration are to a listener.

package serve

import (
	"cmp"
	"maps"
	"net/textproto"
	"slices"

	"github.com/workerhost/workerhost/host/internal/compress"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/web"
)

// routesOf are the routes of a listener, whose terms are those of its requests beside; nil if it has none.
func routesOf(made *setup, l *config.Listen, terms *web.Terms) (*web.Routes, error) {
	routes, table, err := made.config.RoutesOf(l)
	if table == nil || err != nil {
		return nil, err
	}
	all := &web.Routes{Table: table, Only: l.Pool == "", Strict: l.Strict}
	for _, r := range routes {
		all.Terms = append(all.Terms, routeTerms(made, r, *terms))
	}
	return all, nil
}

// routeTerms are those of a route, made of its listener's.
func routeTerms(made *setup, r *config.Route, t web.Terms) web.Terms {
	c, g := made.config, made.edge
	t.Route = web.Route{
		Name: r.Name, Strip: r.Strip, Fallback: r.Fallback, Status: r.Respond, Location: r.Redirect,
		Headers: headers(r.Headers),
	}
	if r.Redirect != "" {
		t.Route.Status = r.Status
	}
	t.ErrorPages = errorPages(c, r)
	t.Route.Asks = headers(r.RequestHeaders)
	if allow, deny := peers(r.AllowAddresses), peers(r.DenyAddresses); allow != nil || deny != nil {
		t.Route.Addresses = &guard.Addresses{Allow: allow, Deny: deny}
	}
	if o := r.Cors; o != nil {
		t.Route.Cors = &web.Cors{Origins: o.Origins, Methods: o.Methods, Headers: o.Headers, Expose: o.Expose,
			Credentials: o.Credentials, MaxAge: o.MaxAge}
	}
	if p := byName(made.pools, r.Pool); p != nil {
		t.Backend, t.Hub = p.backend(), p.realm.hub
		publicTerms(&t, c, c.Pool(r.Pool))
		if r.Caches() {
			t.Backend = made.cached(p, r)
		}
	} else if app := made.apps[r.Pusher]; app != nil {
		pusherTerms(&t, app, c.Pusher(r.Pusher))
	} else if t.Route.Status == 0 {
		t.Route.Status = 404 // what is no file
	}
	t.Public, t.Releases = cmp.Or(r.Public, t.Public), nil
	if p := byName(made.pools, r.Pool); p != nil {
		t.Releases = p.filesOf(t.Public)
	}
	if r.MaxBody != nil {
		t.Limits.MaxBody = int64(*r.MaxBody)
	}
	if r.RequestTimeout != nil {
		if t.Route.Timeout = *r.RequestTimeout; t.Route.Timeout == 0 {
			t.Route.Timeout = -1
		}
	}
	if r.RateLimit != nil {
		t.RateLimit = g.rates[r.Name].limit
	}
	if r.Auth != nil {
		t.Route.Auth = &web.Auth{Users: g.users[r.Name].passwords, Realm: r.Auth.Realm}
	}
	if r.Compression != nil {
		t.Compression = compression(r.Compression)
	}
	if r.AccessLog != "" {
		t.Access = g.logs[r.AccessLog]
	}
	return t
}

// compression is nil for none.
func compression(c *config.Compression) *compress.Policy {
	if c.Off {
		return nil
	}
	s := compress.Settings{GzipLevel: c.GzipLevel, BrotliLevel: c.BrotliLevel, ZstdLevel: c.ZstdLevel,
		Types: c.Types, MinSize: int64(c.MinSize)}
	for _, name := range c.Codings {
		coding, _ := compress.Named(name)
		s.Codings = append(s.Codings, coding)
	}
	return compress.New(s)
}

// headers are name, value, name, value, …, by canonical names.
func headers(given map[string]string) (pairs []string) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		pairs = append(pairs, textproto.CanonicalMIMEHeaderKey(name), given[name])
	}
	return pairs
}

// servesFiles says whether there is a public folder, or a pool's own.
func servesFiles(c *config.Config) bool {
	return c.HTTP.Public != "" ||
		slices.ContainsFunc(c.Routes, func(r *config.Route) bool { return r.Public != "" }) ||
		slices.ContainsFunc(c.Pools, func(p *config.Pool) bool { return p.Root != "" })
}

// planRoutes finds the changes of the routes. One with another name is another one.
func (p *plan) planRoutes(now *setup) {
	old := map[string]*config.Route{}
	for _, r := range now.config.Routes {
		old[r.Name] = r
	}
	for _, r := range p.config.Routes {
		of := change{table: "route " + r.Name + ":", live: true}
		before := old[r.Name]
		if before == nil {
			p.routes = append(p.routes, of.whole("added"))
			continue
		}
		delete(old, r.Name)
		p.routes = append(p.routes, differences(of, *before, *r)...)
		p.routes = append(p.routes, inTable(of, "rate_limit", before.RateLimit, r.RateLimit)...)
		p.routes = append(p.routes, inTable(of, "cors", before.Cors, r.Cors)...)
		p.routes = append(p.routes, inTable(of, "auth", before.Auth, r.Auth)...)
		if a, b := before.Auth, r.Auth; a != nil && b != nil && !maps.Equal(a.Hashes(), b.Hashes()) {
			of.inner = "auth"
			p.routes = append(p.routes, of.with("passwords", "", ""))
		}
	}
	for _, r := range now.config.Routes {
		if old[r.Name] != nil {
			p.routes = append(p.routes, change{table: "route " + r.Name, live: true}.whole("removed"))
		}
	}
}

// inTable finds the changes of a route's own table, which may be in one of the two alone.
func inTable[T any](of change, name string, a, b *T) []change {
	if a == nil && b == nil {
		return nil
	}
	if a == nil || b == nil {
		return []change{of.with(name, onOff(a != nil), onOff(b != nil))}
	}
	of.inner = name
	return differences(of, *a, *b)
}

// routed is what status shows of a listener's routes.
func (h *host) routed(l *listener) (all []control.Route) {
	for name, requests := range l.server.Routed() {
		shown := control.Route{Name: name, Requests: requests}
		for _, r := range h.config().Routes {
			if r.Name == name {
				shown.To = r.Targets()
			}
		}
		all = append(all, shown)
	}
	return all
}
