// swap.go: the steps of a pass from which on the new setup is the one that serves.

package serve

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/redact"
)

// swap has all the rest take effect at once. It says false if the host has begun to stop.
func (p *pass) swap() bool {
	h := p.host
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return false
	}
	before := h.setup.Swap(&p.made)
	p.made.nameRealms()
	p.before = before
	h.mu.Unlock()
	h.useCertificates(&p.made)
	h.log.SetLevel(hclog.LevelFromString(p.plan.config.Log.Level))
	redact.Also(p.plan.config.Log.Redact)
	h.keepFaults(p.made.config)
	p.made.edge.limit(h.crowd, p.made.config)
	h.warnOfFiles(p.made.config)
	for _, ready := range p.ready {
		p.settled = append(p.settled, ready.Apply())
	}
	before.edge.retire(p.made.edge)
	h.keepSockets()
	h.configureDials(&p.made)
	retuneApps(&p.made, before)
	before.closeCache(p.made.cache)
	p.made.sizeCache()
	configureChannels(&p.made)
	h.configureTasks(&p.made)
	h.startReady()
	if h.watch != watchOff {
		h.mu.Lock()
		for _, made := range p.started {
			if !h.closed {
				h.work(func() error { return h.follow(made) })
			}
		}
		h.mu.Unlock()
	}
	p.tellSwapped()
	return true
}

func (p *pass) tellSwapped() {
	for _, c := range slices.Concat(p.plan.log, p.plan.http, p.plan.routes) {
		p.tell(c.event(control.Changed))
	}
	for i, next := range p.plan.listen {
		if next.old == nil {
			l := p.made.listeners[i]
			what := fmt.Sprintf("listener %s added", l.server.Address())
			if l.config.Pool != "" {
				what += ", for pool " + l.config.Pool
			}
			p.tell(control.Event{Kind: control.ListenerAdded, Address: l.server.Address(), Pool: l.config.Pool,
				What: what})
		}
		for _, c := range next.changes {
			p.tell(c.event(control.Changed))
		}
	}
	for _, c := range p.plan.restart {
		p.tell(c.event(control.NeedsRestart))
	}
	for _, w := range p.plan.config.WarningsAt(time.Now()) {
		p.host.log.Warn(w.Error())
		p.account.Add(control.Event{Kind: control.Warned, What: w.Error()})
	}
}

// removeOld lets the listeners and pools that the file has no more finish what they have.
func (p *pass) removeOld() {
	h := p.host
	var all sync.WaitGroup
	for _, l := range p.plan.gone {
		all.Go(func() {
			e := control.Event{Kind: control.ListenerRemoved, Address: l.server.Address()}
			e.What = "listener " + e.Address + " removed"
			if !h.drain(l) {
				e.Cut = []string{"what was under way at " + e.Address}
			}
			p.tell(e)
		})
	}
	p.sendAway(&all)
	all.Wait()
	for _, old := range p.plan.removed {
		all.Go(func() {
			p.settle(old.config().DrainTimeout)
			latest := uint64(math.MaxUint64) // of what it built
			what := "pool " + old.name + " removed"
			if next := byName(p.made.pools, old.name); next != nil {
				latest = next.workers.Status().Generation
				what = "pool " + old.name + " as it was in the realm " + p.before.nameOf(old.realm) + " stopped"
			}
			cut := h.stopPool(old, h.now)
			h.builds.completed(old.name, latest)
			p.tell(control.Event{Kind: control.PoolRemoved, Pool: old.name, What: what, Cut: cut})
		})
	}
	all.Wait()
}

// takeBack undoes the steps, the last one first.
func (p *pass) takeBack() {
	for _, ready := range p.ready {
		ready.Discard()
	}
	for _, l := range p.bound {
		l.server.Close()
	}
	p.made.closeCache(p.host.setup.Load().cache)
	if p.made.edge != nil {
		p.made.edge.retire(p.host.setup.Load().edge)
	}
	now, cancel := context.WithCancel(context.Background())
	cancel() // they have no requests
	for _, made := range p.started {
		made.workers.Stop(now)
		made.private.Close()
		if byName(p.host.pools(), made.name) == nil { // else they go with what the one that stays has built
			p.host.builds.completed(made.name, math.MaxUint64)
		}
	}
	for _, say := range slices.Backward(p.undo) {
		say()
	}
}

// settle waits until no request is served any more under what listeners had before, but not longer than limit.
func (p *pass) settle(limit time.Duration) {
	ctx, cancel := context.WithTimeout(p.host.now, limit)
	defer cancel()
	for _, settled := range p.settled {
		select {
		case <-settled:
		case <-ctx.Done():
			return
		}
	}
}
