// edge.go: what all listeners share at the host's edge: the access log, and who may come how often.

package serve

import (
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/accesslog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/machine"
)

// edge says who may come, and notes who came. It never changes, but for its count: a reload replaces it.
type edge struct {
	rate    *guard.RateLimit // nil is off
	proxies *guard.Proxies   // nil: nobody is asked to say who clients are
	access  *accesslog.Log   // nil is off
	lost    *atomic.Uint64   // lines missing from all access logs that the host has had
	id      string           // the header of a request's id; "" is off
}

// newEdge makes the edge that comes after old, which may be nil. Clients keep what they have used up if the limit
// stays, and so does the access log.
func newEdge(c config.HTTP, old *edge, before config.HTTP, log hclog.Logger) (*edge, error) {
	g := &edge{id: c.RequestID, lost: new(atomic.Uint64)}
	if old != nil {
		g.lost = old.lost // a counter never goes back
	}
	if networks, unix, set := c.Proxies(); set {
		g.proxies = &guard.Proxies{Networks: networks, Unix: unix}
	}
	switch {
	case old != nil && c.RateLimit == before.RateLimit:
		g.rate = old.rate
	case c.RateLimit.Requests > 0:
		g.rate = guard.NewRateLimit(c.RateLimit.Requests, c.RateLimit.Burst)
	}
	switch {
	case old != nil && c.AccessLog == before.AccessLog:
		g.access = old.access
	case c.AccessLog != "off":
		access, err := accesslog.Open(c.AccessLog, g.lost, log)
		if err != nil {
			return nil, err
		}
		g.access = access
	}
	return g, nil
}

// retire lets go of what the edge in its place does not have.
func (g *edge) retire(next *edge) {
	if g.access != nil && g.access != next.access {
		g.access.Retire()
	}
}

// reopen takes the access log's file anew, after somebody has renamed it.
func (g *edge) reopen() {
	if g.access != nil {
		g.access.Reopen()
	}
}

// close is for the last edge, at the host's end.
func (g *edge) close(log hclog.Logger) {
	if g.access == nil {
		return
	}
	if err := g.access.Close(); err != nil {
		log.Warn(err.Error())
	}
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
