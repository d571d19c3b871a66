// realm.go: the realms of the pools, each with a hub of its own.

package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/channel"
	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/cluster"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/ledger"
	"github.com/workerhost/workerhost/host/internal/presence"
	"github.com/workerhost/workerhost/host/internal/store"
	"github.com/workerhost/workerhost/host/internal/tasks"
	"github.com/workerhost/workerhost/protocol"
)

// realm is what the pools of one realm share, and no others. It never changes.
type realm struct {
	hub    *hub.Hub         // keeps the long-lived connections of its pools
	all    *cluster.Realm   // with those of other hosts; nil: there are none
	noted  *ledger.Realm    // its connections, should this host die; nil likewise
	acts   protocol.Hub     // where acts of its workers go, all but those of tasks
	asked  *protocol.Router // what may be asked by whoever changes nothing: of the hub, and of what else answers
	dials  *dial.Room       // connections that the host has made
	stores *store.Room      // what its workers keep, and their locks
	tasks  *tasks.Room      // work that is no request
	// channels keeps what is sent to some groups.
	channels *channel.Room
	presence *presence.Room // tells who is in some groups
}

// newRealm makes one of that name, which gives none of the ids of others.
func (h *host) newRealm(name string, others ...*hub.Hub) *realm {
	r := &realm{hub: hub.New(h.log, others...), stores: h.newStores(name)}
	if h.cluster != nil {
		r.all = h.cluster.Realm(name, r.hub)
		r.noted = h.ledger.Realm(name, r.hub)
	}
	r.dials = h.newDials(r.hub)
	r.channels = channel.NewRoom(r.hub, h.engine, name, h.log)
	r.presence = presence.NewRoom(r.hub)
	r.tasks = tasks.New(tasks.Settings{Engine: h.engine, Log: h.log, Ended: noteTask(h.log)})
	r.acts = h.purges(r, name)
	r.asked = r.router(nil)
	return r
}

// router answers the workers of a pool; nil is of none.
func (r *realm) router(of *dial.Owner) *protocol.Router {
	return &protocol.Router{Hub: r.tasks.Hub(r.acts), Rooms: map[string]protocol.Answerer{
		dial.Prefix: r.dials.Desk(of), tasks.Prefix: r.tasks.Desk(),
		store.Prefix: r.stores, store.LockPrefix: r.stores, presence.Prefix: r.presence,
	}}
}

// whole is whom workers ask of connections.
func (r *realm) whole() protocol.Hub {
	if r.all != nil {
		return r.all
	}
	return r.hub
}

// nameRealms has realms be one with those of the same names on other hosts.
func (s *setup) nameRealms() {
	for name, r := range s.realms {
		if r.all != nil {
			r.all.Rename(name)
			r.noted.Rename(name)
		}
	}
}

// realmsFor are the realms of a configuration that comes after old. One that has no pool any more stays, for what it
// has counted, and for connections that are about to end. make makes one that gives none of the ids of others.
func realmsFor(c *config.Config, old *setup, make func(name string, others ...*hub.Hub) *realm) map[string]*realm {
	all := map[string]*realm{}
	names := renamed(c, old)
	for name, r := range old.realms {
		all[cmp.Or(names[name], name)] = r
	}
	for _, p := range c.Pools {
		name := p.InRealm()
		if all[name] == nil {
			all[name] = make(name, (&setup{realms: all}).hubs()...)
		}
	}
	return all
}

// renamed are the realms that have another name in c, with that: the pools of one are all in another one now, which
// had none and gets none from elsewhere. So a site that gets another user keeps its connections.
func renamed(c *config.Config, old *setup) map[string]string {
	to := map[string]string{} // where the pools of each realm are now; "" is in several
	for _, p := range old.pools {
		if next := c.Pool(p.name); next != nil {
			from, now := old.nameOf(p.realm), old.willBeIn(p, next)
			if before, seen := to[from]; seen && before != now {
				now = ""
			}
			to[from] = now
		}
	}
	claims := map[string]int{}
	for _, name := range to {
		claims[name]++
	}
	maps.DeleteFunc(to, func(from, name string) bool {
		return name == "" || name == from || claims[name] > 1 || old.realms[name] != nil
	})
	return to
}

// nameOf is what a realm is called. A pool's settings may be ahead of that, after a reload of it alone.
func (s *setup) nameOf(of *realm) string {
	for name, r := range s.realms {
		if r == of {
			return name
		}
	}
	return config.DefaultRealm
}

// willBeIn is the realm that a pool is in with the settings of next.
func (s *setup) willBeIn(p *pool, next *config.Pool) string {
	if next.Reload == "never" { // its workers keep their user
		return s.nameOf(p.realm)
	}
	return next.InRealm()
}

// shown is a realm's name, for whoever asks over control; "" where none of the pools has given one.
func (s *setup) shown(name string) string {
	if slices.ContainsFunc(s.pools, func(p *pool) bool { return s.nameOf(p.realm) != config.DefaultRealm }) {
		return name
	}
	return ""
}

// hubs are those of all realms, in the order of their names.
func (s *setup) hubs() (all []*hub.Hub) {
	for _, name := range slices.Sorted(maps.Keys(s.realms)) {
		all = append(all, s.realms[name].hub)
	}
	return all
}

// moves says whether a pool is in another realm in c than it is now. Then it is another pool, of the same name: its
// connections are not for those of the new realm to know.
func (s *setup) moves(old *pool, next *config.Pool, c *config.Config) bool {
	from, to := s.nameOf(old.realm), s.willBeIn(old, next)
	return from != to && renamed(c, s)[from] != to
}

// sendAway closes, as at a stop, the connections whose pool their listener does not lead to any more, where it leads
// to none of their realm that could have taken them over.
func (p *pass) sendAway(all *sync.WaitGroup) {
	for i, next := range p.plan.listen {
		if next.old == nil {
			continue
		}
		l := p.made.listeners[i]
		heirs := append(slices.Clone(l.pools), ownPool(&p.made, &l.config))
		limit := time.Duration(0)
		var left []*pool
		for _, old := range append(slices.Clone(next.old.pools), ownPool(p.before, &next.old.config)) {
			if !slices.Contains(heirs, old) && !slices.Contains(left, old) {
				left, limit = append(left, old), max(limit, old.config().DrainTimeout)
			}
		}
		if len(left) > 0 {
			all.Go(func() { p.sendAwayFrom(l, left, limit) })
		}
	}
}

// sendAwayFrom closes the connections of a listener that pools of another realm have kept. It returns when they have
// gone, or been aborted at the limit.
func (p *pass) sendAwayFrom(l *listener, left []*pool, limit time.Duration) {
	h := p.host
	ctx, cancel := context.WithTimeout(h.now, limit)
	defer cancel()
	var hubs []*hub.Hub
	for _, old := range left {
		if !slices.Contains(hubs, old.realm.hub) {
			hubs = append(hubs, old.realm.hub)
		}
	}
	var each sync.WaitGroup
	counts := make([]int, len(hubs))
	for i, in := range hubs {
		each.Go(func() {
			in.Shutdown(ctx, min(l.config.ShutdownSpread, limit/2), func(c *hub.Connection) bool {
				theirs := c.Card().Listener == l.config.Address && slices.ContainsFunc(left, func(old *pool) bool {
					return c.Terms().Backend == old.backend()
				})
				if theirs {
					counts[i]++ // with the hub's lock held
				}
				return theirs
			})
		})
	}
	each.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum > 0 {
		const text = "listener %s: %s closed, since no pool of their realm is there any more"
		p.tell(control.Event{Kind: control.Changed, Address: l.config.Address,
			What: fmt.Sprintf(text, l.config.Address, cli.Counted(sum, "connection"))})
	}
}
