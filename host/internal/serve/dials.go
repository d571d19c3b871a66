// dials.go: connections that the host makes for workers, or since the configuration has them.

package serve

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/config"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/dial"
	"github.com/workerhost/workerhost/host/internal/fetch"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/trace"
)

// newDials makes the room of a realm's dials.
func (h *host) newDials(in *hub.Hub) *dial.Room {
	s := dial.Settings{Hub: in, Spool: h.spool, Agent: "workerhost/" + cli.Version(), Log: h.log}
	if now := h.setup.Load(); now != nil && now.config.HTTP.Lane {
		s.Loops = h.loops
	}
	s.Tracer = func() *trace.Tracer {
		if e := h.setup.Load().edge; e != nil {
			return e.traces.tracer
		}
		return nil
	}
	return dial.New(s)
}

// ownsDials is what the dials of the pool's workers belong to.
func (p *pool) ownsDials() *dial.Owner {
	return &dial.Owner{Pool: p.name, Backend: p.backend(), Most: func() int { return p.config().Fetch.Dials },
		Serving: func() (live, coming uint64) { return p.workers.Serving() }}
}

// amendDials has what workers have asked for be judged by the code and the settings that are live now.
func (p *pool) amendDials() {
	c := p.config()
	if len(c.Fetch.Places()) == 0 {
		p.realm.dials.Amend(p.owner, nil)
		return
	}
	p.realm.dials.Amend(p.owner, &fetch.Terms{Settings: fetchSettings(c)})
}

// endDials ends those of a pool that is about to end.
func (p *pool) endDials(now context.Context) {
	ctx, cancel := context.WithTimeout(now, p.config().DrainTimeout)
	defer cancel()
	p.realm.dials.Disown(ctx, p.owner)
}

// configureDials has each realm dial what the configuration has for its pools.
func (h *host) configureDials(made *setup) {
	orders := map[*realm][]*dial.Order{}
	for _, d := range made.config.Dials {
		p := byName(made.pools, d.Pool)
		if p == nil {
			continue
		}
		o := &dial.Order{Dial: d.Asked(), Owner: p.owner, Fence: dialFence(d, made.config.Pool(d.Pool))}
		if err := o.Check(); err != nil { // the configuration has been checked by the same rules
			h.log.Error("a [[dial]] is left out", "dial", d.Name, "error", err)
			continue
		}
		orders[p.realm] = append(orders[p.realm], o)
	}
	for _, r := range made.realms {
		r.dials.Configure(orders[r])
	}
}

// planDials finds which [[dial]]s come, change and go. Values are left out: a URL may have a secret in it.
func (p *plan) planDials(now *config.Config) {
	tell := func(d *config.Dial, what string) {
		p.log = append(p.log, change{table: "dial " + d.Name, live: true}.whole(what))
	}
	same := func(a, b *config.Dial) bool { return a.Name == b.Name && a.Pool == b.Pool }
	left := slices.Clone(now.Dials)
	for _, d := range p.config.Dials {
		i := slices.IndexFunc(left, func(old *config.Dial) bool { return same(old, d) })
		if i < 0 {
			tell(d, "added")
			continue
		}
		if len(differences(change{}, *left[i], *d)) > 0 {
			tell(d, "changed")
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, d := range left {
		tell(d, "removed")
	}
}

// dialFence allows what a [[dial]] asks for, with the networks and the secrets of its pool.
func dialFence(d *config.Dial, p *config.Pool) *fetch.Terms {
	settings := fetchSettings(p)
	settings.Allow = append(slices.Clone(settings.Allow), d.Place())
	return &fetch.Terms{Settings: settings}
}

// beginDials has the realms dial whose pools each have a worker, or know why they have none. The caller holds mu.
func (h *host) beginDials() {
	now := h.setup.Load()
	for _, r := range now.realms {
		if !slices.ContainsFunc(now.pools, func(p *pool) bool { return p.realm == r && !p.knows() }) {
			r.dials.Start()
		}
	}
}

// suspended are the rooms of a host that is about to leave its connections to another one, by realm.
type suspended map[string]*dial.Room

func (h *host) suspendDials() suspended {
	all := suspended{}
	for name, r := range h.setup.Load().realms {
		all[name] = r.dials
		r.dials.Suspend()
	}
	return all
}

func (s suspended) resume() {
	for _, room := range s {
		room.Start()
	}
}

func (s suspended) records() map[string][]dial.Record {
	all := map[string][]dial.Record{}
	for name, room := range s {
		if records := room.Records(); len(records) > 0 {
			all[name] = records
		}
	}
	return all
}

func (s suspended) leave() {
	for _, room := range s {
		room.Leave()
	}
}

// restoreDials goes on with those of the host before.
func (h *host) restoreDials(all map[string][]dial.Record) {
	now := h.setup.Load()
	for name, records := range all {
		r := now.realms[name]
		if r == nil {
			continue
		}
		r.dials.Restore(records, func(of string) (*dial.Owner, dial.Fence) {
			p := byName(now.pools, of)
			switch {
			case p == nil || p.realm != r:
				return nil, nil
			case len(p.config().Fetch.Places()) == 0:
				return p.owner, nil
			}
			return p.owner, &fetch.Terms{Settings: fetchSettings(p.config())}
		})
	}
}

// dialed are the dials as the API shows them.
func (h *host) dialed() (all []control.Dial) {
	now := h.setup.Load()
	for name, r := range now.realms {
		for _, d := range r.dials.List() {
			all = append(all, control.Dial{Name: d.Name, Realm: now.shown(name), Pool: d.Pool, URL: d.URL,
				Protocol: d.Protocol, Configured: d.Configured, State: d.Phase, Connection: d.Connection,
				Reconnects: d.Reconnects, Failures: d.Failures, Wait: control.Seconds(d.Wait), Error: d.Error})
		}
	}
	return all
}

// dialCounts are the counts of the realms that have dialed, by their names.
func (h *host) dialCounts() iter.Seq2[string, dial.Counts] {
	return func(yield func(string, dial.Counts) bool) {
		for name, r := range h.setup.Load().realms {
			if n := r.dials.Counts(); n.Tries > 0 && !yield(name, n) {
				return
			}
		}
	}
}

// shutDials ends all dials.
func (h *host) shutDials(all *sync.WaitGroup) {
	now := h.setup.Load()
	for _, r := range now.realms {
		all.Go(func() {
			limit := now.pools[0].config().DrainTimeout
			for _, p := range now.pools {
				if p.realm == r {
					limit = max(limit, p.config().DrainTimeout)
				}
			}
			ctx, cancel := context.WithTimeout(h.now, limit)
			defer cancel()
			h.bounded("the dials", limit, func() { r.dials.Shutdown(ctx) })
		})
	}
}
