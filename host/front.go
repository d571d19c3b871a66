// front.go: what all listeners share at the host's edge: the access log, and who may come how often.

package main

import (
	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/listen"
)

// front is fixed until the host ends.
type front struct {
	access *listen.AccessLog // nil is off
	crowd  *listen.Crowd
	id     string
	log    hclog.Logger
}

// guard says who may come. It never changes: a reload replaces it.
type guard struct {
	rate    *listen.RateLimit // nil is off
	proxies *listen.Proxies   // nil: nobody is asked to say who clients are
}

// newGuard makes the guard that comes after old, which may be nil. Clients keep what they have used up if the limit stays.
func newGuard(c config.HTTP, old *guard, before config.HTTP) *guard {
	g := &guard{}
	if networks, unix, set := c.Proxies(); set {
		g.proxies = &listen.Proxies{Networks: networks, Unix: unix}
	}
	switch {
	case old != nil && c.RateLimit == before.RateLimit:
		g.rate = old.rate
	case c.RateLimit.Requests > 0:
		g.rate = listen.NewRateLimit(c.RateLimit.Requests, c.RateLimit.Burst)
	}
	return g
}

func newFront(c config.HTTP, log hclog.Logger) (*front, error) {
	f := &front{id: c.RequestID, log: log}
	f.crowd = listen.NewCrowd(0, 0, nil, log)
	if c.AccessLog != "off" {
		access, err := listen.OpenAccessLog(c.AccessLog, log)
		if err != nil {
			return nil, err
		}
		f.access = access
	}
	return f, nil
}

// limit has the crowd heed the configuration from now on.
func (f *front) limit(c config.HTTP, g *guard) {
	f.crowd.Limit(c.MaxConnections, c.MaxPerAddress, g.proxies)
}

// equip has a listener heed all this.
func (f *front) equip(o *listen.Options, g *guard) {
	o.Access, o.RequestID, o.Crowd, o.RateLimit, o.Proxies = f.access, f.id, f.crowd, g.rate, g.proxies
}

// reopen takes the access log's file anew, after somebody has renamed it.
func (f *front) reopen() {
	if f.access != nil {
		f.access.Reopen()
	}
}

func (f *front) close() {
	if f.access == nil {
		return
	}
	if err := f.access.Close(); err != nil {
		f.log.Warn(err.Error())
	}
}
