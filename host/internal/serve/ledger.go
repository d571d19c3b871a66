// ledger.go: the connections of this host as the others of its cluster know them, should it die.

package serve

import (
	"fmt"

	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/ledger"
	"github.com/workerhost/workerhost/protocol"
)

// newLedger makes the ledger of a host of [cluster], which a reload does not change; nil: there is none.
func (h *host) newLedger(c *config.Config) *ledger.Room {
	if !c.Cluster.On() {
		return nil
	}
	return ledger.New(ledger.Settings{
		Cluster: c.Cluster.Name, Host: c.Cluster.Host, Engine: h.engine, Log: h.log, Station: station(c),
		Takes: func(realm, pool string) bool {
			p := h.successor(realm, pool)
			return p != nil && !h.leaves() && p.backend().Traits().Events.Close
		},
		Handle: func(realm, pool string, v *protocol.Connection, done func()) error {
			p := h.successor(realm, pool)
			if p == nil {
				return fmt.Errorf("there is no pool %s any more", pool)
			}
			terms := &hub.Terms{Backend: p.backend(), Tracer: h.setup.Load().edge.traces.tracer, Dial: v.Dial}
			return p.realm.hub.Inherit(v, terms, done)
		},
	})
}

// successor is the pool here that handles what one of that name does on other hosts; nil: there is none.
func (h *host) successor(realm, pool string) *pool {
	now := h.setup.Load()
	if p := byName(now.pools, pool); p != nil && now.realms[realm] == p.realm {
		return p
	}
	return nil
}

// station names this host's place in its cluster.
func station(c *config.Config) func() (string, error) {
	return func() (string, error) {
		folder, err := c.StationFolder()
		if err != nil {
			return "", err
		}
		return engine.Station(folder)
	}
}
