// A roll: the reload of a pool, one slot after the other.

package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Reload replaces every worker, with the code as it is now. If a reload is under way it joins one more pass, so that
// the newest code always wins. It returns at once.
func (p *Pool) Reload() *Roll {
	var r *Roll
	alive := p.do(func() {
		switch {
		case p.stopping:
		case p.roll == nil:
			r = newRoll()
			p.startRoll(r)
		default:
			if p.next == nil {
				p.next = newRoll()
			}
			r = p.next
		}
	})
	if !alive || r == nil {
		r = newRoll()
		r.add(Event{Kind: EventFailed, Pool: p.name, Error: ErrStopping.Error(), Cause: ErrStopping})
	}
	return r
}

// Abort ends the reload under way after the slots at hand, and the one that would follow it. What was replaced is put
// back if the release before still stands at another place; otherwise it stays, and the roll's last event says so. It
// says whether there was a reload.
func (p *Pool) Abort() (some bool) {
	p.do(func() {
		if some = p.roll != nil; some {
			p.roll.abort()
		}
		if p.next != nil {
			p.next.add(Event{Kind: EventFailed, Pool: p.name, Generation: p.generation.number,
				Error: ErrAborted.Error(), Cause: ErrAborted, Workers: len(p.slots)})
			p.next = nil
		}
	})
	return some
}

// startRoll starts r. In run.
func (p *Pool) startRoll(r *Roll) {
	p.roll = r
	p.tasks.Go(func() {
		p.perform(r)
		p.do(func() {
			for _, s := range p.places {
				s.fresh = false
			}
			p.roll, p.rolled, p.places = nil, Progress{}, nil
			p.now.coming.Store(0)
			p.fillAll() // those that a roll that failed has not come to
			p.rescale()
			if next := p.next; next != nil {
				p.next = nil
				if p.stopping {
					next.add(Event{Kind: EventFailed, Pool: p.name, Error: ErrStopping.Error(), Cause: ErrStopping})
				} else {
					p.startRoll(next)
				}
			}
		})
	})
}

// perform goes through the slots. The first failure ends it.
func (p *Pool) perform(r *Roll) {
	began := time.Now()
	before, g, err := p.target(r)
	if err != nil {
		if r.undoes == nil {
			p.meter.failedReloads.Add(1)
		}
		p.log.Error("reload failed, nothing was changed", "error", err)
		r.add(Event{Kind: EventFailed, Pool: p.name, Generation: before.number, Error: err.Error(), Cause: err,
			Workers: p.size()})
		return
	}
	var places, extra []*slot // extra are those that the settings have no more
	p.do(func() {
		places, extra = p.placesFor(g.settings)
		p.places = places
		if p.parks(r, before, g) {
			p.stash.from = before
		}
		p.rolled = Progress{Generation: g.number, Workers: len(places)}
		p.now.coming.Store(g.number)
	})
	p.log.Info("reload", "generation", g.number, "directory", g.directory)
	r.add(Event{Kind: EventBegun, Pool: p.name, Generation: g.number, Directory: g.directory, Pinned: g.pinned,
		Workers: len(places)})
	if bad := p.passGate(r, g, places[0]); bad != nil {
		p.giveUp(r, bad, nil, before, g)
		return
	}
	p.do(func() {
		p.generation = g
		p.now.live.Store(g.number)
		p.rescale()
	})
	p.dispatch.bound(g.settings)
	var swapped []*slot
	for todo := places; len(todo) > 0; todo = p.latecomers(g, extra) {
		more, fault := p.swapAll(r, g, todo)
		if swapped = append(swapped, more...); fault != nil {
			p.giveUp(r, fault, swapped, before, g)
			return
		}
	}
	for _, s := range slices.Backward(extra) {
		if done := p.dismiss(s); done.old != nil {
			r.add(done.event(EventRemoved, p.name))
		}
	}
	r.from, r.to = before, g
	p.do(func() {
		p.settleParked(before, g)
		p.remember(r)
	})
	if r.undoes == nil {
		p.meter.reloads.observe(time.Since(began))
	}
	p.log.Info("reload completed", "generation", g.number, "workers", len(swapped))
	r.add(Event{Kind: EventCompleted, Pool: p.name, Generation: g.number, Workers: len(swapped),
		Replaced: len(swapped)})
}

// target is what the roll leads from and to.
func (p *Pool) target(r *Roll) (before, g *generation, err error) {
	var set *Settings
	number := uint64(0)
	p.do(func() {
		if before = p.generation; r.undoes != nil {
			return
		}
		if g = p.back; g != nil {
			p.back, p.wanted, r.reverts = nil, nil, true
			return
		}
		number = p.settings.Generations.Add(1) // never to be used again, even if the roll fails
		if set = p.wanted; set == nil {
			set = before.settings
		}
		p.wanted = nil
	})
	switch {
	case r.undoes != nil:
		g, err = r.undoes.wayBack(before)
	case g == nil:
		if g, err = newGeneration(p.context, set, number); err == nil {
			g.checked = true
		}
	}
	return before, g, err
}

// placesFor are the slots that a roll to set works on, and those beyond it. In run.
func (p *Pool) placesFor(set *Settings) (places, extra []*slot) {
	least, most := set.span()
	places = slices.Clone(p.slots)
	if len(places) > most {
		places, extra = places[:most], places[most:]
	}
	for len(places) < least {
		places = append(places, &slot{index: p.freeIndex(places), outside: true, fresh: true,
			turn: make(chan struct{}, 1)})
	}
	return places, extra
}

// latecomers are the slots by which the pool has grown during the roll to g, with the code from before it.
func (p *Pool) latecomers(g *generation, extra []*slot) (late []*slot) {
	p.do(func() {
		for _, s := range p.slots {
			if s.gen != g && !slices.Contains(extra, s) {
				late = append(late, s)
			}
		}
		if len(late) == 0 {
			p.proven = g // from here on it grows with this
		}
		p.rolled.Workers += len(late)
	})
	return late
}

func (d *replacement) event(kind EventKind, pool string) Event {
	e := Event{Kind: kind, Pool: pool, Drained: d.drained, Cut: d.cut, Again: d.again}
	if d.old != nil {
		e.Slot, e.OldPID, e.Generation = d.old.slot, d.old.pid(), d.old.gen.number
	}
	if d.new != nil {
		e.Slot, e.NewPID, e.Generation, e.Boot = d.new.slot, d.new.pid(), d.new.gen.number, d.new.startTime()
		e.Parked = d.new.parking.revived
	}
	return e
}

// fault is what ended a roll.
type fault struct {
	slot int
	new  *worker // that did not start; nil if it was something else
	err  error
}

// swapAll brings g into the places, in order: first one alone, and once that is ready as many at once as surge says.
// It returns those where it is, and with a fault after all that was begun has ended.
func (p *Pool) swapAll(r *Roll, g *generation, places []*slot) (swapped []*slot, bad *fault) {
	var mu sync.Mutex // guards what follows, and what is returned
	next := 0
	var all sync.WaitGroup
	first := make(chan struct{}) // closed when whoever begins has no more to do
	surge := g.settings.Surge
	p.do(func() { surge = max(surge, len(p.parked(g))) }) // who is there needs no turn, nor to wait for a drain
	for i := range min(surge, len(places)) {
		if i == 1 {
			select {
			case <-g.booted:
			case <-first:
			}
		}
		all.Go(func() {
			if i == 0 {
				defer close(first)
			}
			for foremost := i == 0; ; foremost = false {
				mu.Lock()
				if bad == nil && next < len(places) && !foremost {
					mu.Unlock()
					p.pace(r, g)
					mu.Lock()
				}
				if bad == nil && next < len(places) && r.isAborted() {
					bad = &fault{slot: places[next].index, err: ErrAborted}
				}
				if bad != nil || next == len(places) {
					mu.Unlock()
					return
				}
				s := places[next]
				next++
				mu.Unlock()
				done, err := p.changeInRoll(r, s, g)
				mu.Lock()
				switch {
				case err != nil && bad == nil:
					bad = &fault{slot: s.index, new: done.new, err: err}
				case err != nil && done.new != nil: // the end of the roll says the first one alone
					done.new.log.Error("one more new worker failed to start", "error", err)
				case err == nil:
					swapped = append(swapped, s)
					p.do(func() { p.rolled.Replaced++ })
					r.add(done.event(r.step(), p.name))
					if slot, err := p.casualty(g); err != nil && bad == nil {
						bad = &fault{slot: slot, err: err}
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return swapped, bad
}

// pace waits as long as the settings want to between two workers.
func (p *Pool) pace(r *Roll, g *generation) {
	if g.settings.Pace == nil || r.leadsBack() {
		return
	}
	ctx, cancel := context.WithCancel(p.context)
	defer cancel()
	go func() { // ends with the wait
		select {
		case <-r.aborted:
			cancel()
		case <-ctx.Done():
		}
	}()
	g.settings.Pace(ctx)
}

// change replaces the worker of a slot in the way that the settings ask for; with only, no other worker than that.
func (p *Pool) change(s *slot, g *generation, only *worker) (replacement, error) {
	if g.settings.InPlace {
		return p.replaceInPlace(s, g, only)
	}
	return p.replace(s, g, only)
}

// casualty looks for a worker that g brought in and that died before it finished a request: code that says READY and
// then dies is as broken as code that does not say it.
func (p *Pool) casualty(g *generation) (slot int, err error) {
	p.do(func() {
		for _, s := range p.slots {
			if s.gen == g && s.failures > 0 && err == nil {
				slot, err = s.index, fmt.Errorf(
					"worker %d was ready, and died before it finished a request; its log says why", s.index)
			}
		}
	})
	return slot, err
}

// giveUp ends a roll because of a fault. What was swapped already is put back if the release before still stands at
// another place.
func (p *Pool) giveUp(r *Roll, bad *fault, swapped []*slot, before, g *generation) {
	err := bad.err
	p.do(func() { p.stash.from = nil })
	defer p.do(func() { // those that were put back are in their slots
		p.endParked("its reload failed", func(w *worker) bool { return w.parking.until.IsZero() })
	})
	running := len(swapped)
	back := running > 0 && !errors.Is(err, ErrStopping) && g.canGoBack(before) == nil
	if running == 0 || errors.Is(err, ErrStopping) || back {
		p.do(func() {
			p.generation = before
			p.now.live.Store(before.number)
			p.now.coming.Store(0) // it comes no more
			p.rescale()
		})
		p.dispatch.bound(before.settings)
	}
	if back {
		for _, s := range swapped {
			if s.fresh {
				p.dismiss(s)
				running--
				continue
			}
			done, failed := p.change(s, before, nil)
			if failed != nil {
				err = fmt.Errorf("%w; and worker %d could not be put back: %w", err, s.index, failed)
				break
			}
			running--
			r.add(done.event(EventRestored, p.name))
		}
	}
	e := Event{Kind: EventFailed, Pool: p.name, Generation: g.number, Slot: bad.slot, Error: err.Error(), Cause: err,
		Workers: p.size(), Replaced: running}
	if bad.new != nil {
		e.NewPID = bad.new.pid()
	}
	if errors.Is(err, ErrWithdrawn) {
		p.log.Info("reload withdrawn, nothing was changed", "generation", g.number)
		r.add(e)
		return
	}
	p.meter.failedReloads.Add(1)
	what := "reload failed, the old workers keep serving"
	if running > 0 {
		what = "reload failed half-way, replaced workers run the new code and the others the old"
	}
	p.log.Error(what, "generation", g.number, "worker", bad.slot, "replaced", running, "error", err)
	r.add(e)
}
