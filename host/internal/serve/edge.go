// edge.go: what all listeners share at the host's edge: the access logs, the tracer, and who may come how often.

package serve

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/machine"
)

// edge says who may come, and notes who came. It never changes, but for its count: a reload replaces it.
type edge struct {
	rates   map[string]rate           // by route; "" is that of all that have none of their own
	users   map[string]users          // by route, those that routes ask for
	proxies *guard.Proxies            // nil: nobody is asked to say who clients are
	logs    map[string]*accesslog.Log // by what the configuration calls them; none is "off"
	access  *accesslog.Log            // that of all that have none of their own; nil is off
	lost    *atomic.Uint64            // lines missing from all access logs that the host has had
	traces  traces
	id      string // the header of a request's id; "" is off
}

// rate is a limit and what it was made of.
type rate struct {
	settings config.RateLimit
	limit    *guard.RateLimit // nil is off
}

// users are passwords and what they were made of.
type users struct {
	hashes    map[string]string
	passwords *guard.Passwords
}

// newEdge makes the edge that comes after old, which may be nil. Clients keep what they have used up of limits that
// stay, and so do access logs.
func newEdge(c *config.Config, old *edge, log hclog.Logger) (*edge, error) {
	g := &edge{id: c.HTTP.RequestID, lost: new(atomic.Uint64), rates: map[string]rate{},
		users: map[string]users{},
		logs:  map[string]*accesslog.Log{}}
	if old == nil {
		old = &edge{lost: g.lost}
	}
	g.lost = old.lost // a counter never goes back
	if named := peers(c.HTTP.TrustedProxies); named != nil {
		g.proxies = &guard.Proxies{Peers: *named}
	} else if len(c.Routes) > 0 {
		g.proxies = &guard.Proxies{} // who decides by a request's host must not be told another one by its client
	}
	g.bound("", c.HTTP.RateLimit, old)
	logs := []string{c.HTTP.AccessLog}
	for _, r := range c.Routes {
		if r.RateLimit != nil {
			g.bound(r.Name, *r.RateLimit, old)
		}
		if r.Auth != nil {
			g.know(r.Name, r.Auth.Hashes(), old)
		}
		logs = append(logs, r.AccessLog)
	}
	for _, to := range logs {
		if err := g.open(to, old, log); err != nil {
			g.retire(old)
			return nil, err
		}
	}
	g.traces = newTraces(c.Tracing, old.traces, log)
	g.access = g.logs[c.HTTP.AccessLog]
	return g, nil
}

// peers are those that a list of the file names; nil if there is no list.
func peers(list []string) *guard.Peers {
	if list == nil {
		return nil
	}
	named, err := guard.ParsePeers(list)
	if err != nil {
		return &guard.Peers{} // Apply lets none pass
	}
	return named
}

// bound makes a limit, or takes that of old.
func (g *edge) bound(route string, settings config.RateLimit, old *edge) {
	if before, ok := old.rates[route]; ok && before.settings == settings {
		g.rates[route] = before
		return
	}
	now := rate{settings: settings}
	if settings.Requests > 0 {
		now.limit = guard.NewRateLimit(time.Second/time.Duration(settings.Requests), settings.Burst)
	}
	g.rates[route] = now
}

// know has those with these hashes known for a route, and takes whom old remembers if they are the same.
func (g *edge) know(route string, hashes map[string]string, old *edge) {
	if before, ok := old.users[route]; ok && maps.Equal(before.hashes, hashes) {
		g.users[route] = before
		return
	}
	g.users[route] = users{hashes, guard.NewPasswords(hashes)}
}

// open opens a log, or takes that of old.
func (g *edge) open(to string, old *edge, log hclog.Logger) (err error) {
	if to == "off" || to == "" || g.logs[to] != nil {
		return nil
	}
	if g.logs[to] = old.logs[to]; g.logs[to] != nil {
		return nil
	}
	access, err := accesslog.Open(to, g.lost, log)
	if err != nil {
		delete(g.logs, to)
		return err
	}
	g.logs[to] = access
	return nil
}

// retire lets go of what the edge in its place does not have.
func (g *edge) retire(next *edge) {
	for to, access := range g.logs {
		if access != next.logs[to] {
			access.Retire()
		}
	}
	g.traces.retire(next.traces)
}

// reopen takes the access logs' files anew, after somebody has renamed them.
func (g *edge) reopen() {
	for _, access := range g.logs {
		access.Reopen()
	}
}

// close is for the last edge, at the host's end.
func (g *edge) close(log hclog.Logger) {
	for _, access := range g.logs {
		if err := access.Close(); err != nil {
			log.Warn(err.Error())
		}
	}
	g.traces.tracer.Close()
}

// limit has the crowd heed the configuration from now on.
func (g *edge) limit(crowd *guard.Crowd, c *config.Config) {
	crowd.Limit(c.HTTP.MaxConnections, c.HTTP.MaxPerAddress, g.proxies)
	if room, ok := machine.ClientRoom(machine.MostWorkers(c.Pools)); ok {
		crowd.Room(room)
	}
}

// warnOfFiles says if clients will be turned away before max_connections.
func (h *host) warnOfFiles(c *config.Config) {
	if room, ok := machine.ClientRoom(machine.MostWorkers(c.Pools)); ok && room < c.HTTP.MaxConnections {
		files, _ := machine.FileLimit()
		h.log.Warn("the limit on open files leaves room for fewer clients than max_connections; those beyond are "+
			"answered 503: raise it ("+machine.MoreFiles+"), or lower max_connections",
			"open_files", files, "clients", room, "max_connections", c.HTTP.MaxConnections)
	}
}
