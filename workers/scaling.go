// Scaling: the pool grows while requests find no worker with room, and shrinks by one after the other that nobody
// needs.

package workers

import (
	"runtime"
	"slices"
	"time"
)

const (
	queuePatience = 20 * time.Millisecond // a request that waits for longer brings in more workers
	// no worker with room for as long brings in a spare one, though nothing waits
	busyPatience = 200 * time.Millisecond
	growthPause  = 100 * time.Millisecond // until it is looked again whether those were enough
	memoryPause  = time.Second            // likewise, once memory does not suffice
	growthStep   = 4                      // most starts at once
)

// threadsFeature is that a worker runs its streams on all processors (SPEC.md §3.5).
const threadsFeature = "threads"

// growth is what run knows of the pool's growing. Owned by run.
type growth struct {
	fitting   int       // how many workers it has, if nobody has said and fit has found out; else 0
	failures  int       // workers more that did not start, in a row
	failed    time.Time // when the latest of them did not
	capped    bool      // it has been told that memory does not suffice
	idle      *time.Timer
	idleArmed bool
	shrinking bool // a worker less is on its way out
}

// span is how few and how many workers there may be.
func (s *Settings) span() (least, most int) {
	if s.MaxWorkers == 0 {
		return s.Workers, s.Workers
	}
	return s.MinWorkers, s.MaxWorkers
}

// fit gives a pool that nobody has sized as many slots as its first worker is good for: one where that uses all
// processors, and one for each of them where it takes several requests at once on one. The others are still empty, as
// they wait for it. In run.
func (p *Pool) fit(w *worker) {
	set := w.gen.settings
	if !set.Unsized || set.MaxWorkers > 0 || w.offer.concurrency == 1 {
		return
	}
	most := runtime.GOMAXPROCS(0)
	if w.offer.ready.Has(threadsFeature) {
		most = 1
	}
	for _, s := range slices.Backward(p.slots) {
		if len(p.slots) > most && s.current == nil && !s.replaced {
			p.drop(s)
		}
	}
	set.Workers, p.growth.fitting = len(p.slots), len(p.slots)
}

// rescale sets what watches for too few and for too many workers, after either their number or its bounds changed. In
// run.
func (p *Pool) rescale() {
	least, most := p.generation.settings.span()
	p.dispatch.mayGrow(!p.stopping && len(p.slots)+p.toCome() < most)
	if len(p.slots) > least && !p.growth.idleArmed {
		p.lookForIdle(p.generation.settings.IdleTimeout)
	}
}

// toCome is how many slots the roll under way has yet to bring in. In run.
func (p *Pool) toCome() (n int) {
	for _, s := range p.places {
		if s.outside {
			n++
		}
	}
	return n
}

// freeIndex is the lowest that no slot has, nor one of those that are to come. In run.
func (p *Pool) freeIndex(coming []*slot) (i int) {
	taken := func(s *slot) bool { return s.index == i }
	for slices.ContainsFunc(p.slots, taken) || slices.ContainsFunc(p.places, taken) ||
		slices.ContainsFunc(coming, taken) {
		i++
	}
	return i
}

// grow starts workers for as many requests as wait, or a spare one if none does, and says when to look again. Starts
// under way count, and code that does not start, or has yet to start for the first time, gets no more of them. In run.
func (p *Pool) grow(queued int) (again time.Duration) {
	if !p.proven.isBooted() {
		return growthPause
	}
	set := p.generation.settings
	_, most := set.span()
	coming, each := 0, 1
	for _, s := range p.slots {
		switch {
		case s.current == nil && !s.replaced && s.failures > 0:
			return growthPause
		case s.current == nil || !s.current.isReady():
			coming++
		default:
			each = s.current.offer.concurrency
		}
	}
	if rest := p.growth.pause(time.Now()); rest > 0 {
		return rest
	}
	want := max(1, (queued+each-1)/each) - coming
	want = min(want, min(growthStep, max(1, len(p.slots)))-coming, most-len(p.slots)-p.toCome())
	started := 0
	for ; started < want && p.affordable(); started++ {
		s := &slot{index: p.freeIndex(nil), outside: true, gen: p.proven, turn: make(chan struct{}, 1)}
		p.include(s)
		p.fill(s)
	}
	if started > 0 {
		p.log.Info("pool grows", "by", started, "workers", len(p.slots), "max_workers", most, "queued", queued)
		p.rescale()
	}
	if want > 0 && started < want {
		return memoryPause
	}
	return growthPause
}

// pause is how long no more workers are to be started, after those that failed.
func (g *growth) pause(now time.Time) time.Duration {
	if g.failures == 0 {
		return 0
	}
	if now.Sub(g.failed) > 2*backoffMost {
		g.failures = 0
		return 0
	}
	return backoffDelay(g.failures) - now.Sub(g.failed)
}

// affordable says whether the workers, and one more of their average size, stay within MaxPoolMemory. In run.
func (p *Pool) affordable() bool {
	limit := p.generation.settings.MaxPoolMemory
	if limit <= 0 {
		return true
	}
	sum, ready, starting := int64(0), int64(0), int64(0)
	for w := range p.live {
		if w.isReady() {
			ready++
			sum += w.process.Memory()
		} else {
			starting++
		}
	}
	average := sum / max(1, ready)
	if sum+(starting+1)*average <= limit {
		p.growth.capped = false
		return true
	}
	if len(p.stash.workers) > 0 {
		p.endParked("the pool grows, and memory would pass max_pool_memory", all)
		return false
	}
	if !p.growth.capped {
		p.growth.capped = true
		p.log.Warn("no more workers: memory would pass max_pool_memory", "workers", len(p.slots), "memory", sum,
			"average", average, "max_pool_memory", limit)
	}
	return false
}

// drop takes a slot out that has no worker any more. In run.
func (p *Pool) drop(s *slot) {
	p.slots = slices.DeleteFunc(p.slots, func(other *slot) bool { return other == s })
	s.outside = true
	s.endBackOff()
}

// abandon drops a slot whose worker failed, if the pool can do without, so that broken workers which are not needed
// are not started for ever. It says whether it did; told says that the log has why. In run.
func (p *Pool) abandon(s *slot, w *worker, told bool) bool {
	least, _ := p.generation.settings.span()
	if p.roll != nil || len(p.slots) <= least {
		return false
	}
	p.drop(s)
	p.fillAll() // others may have waited for it
	p.growth.failures++
	p.growth.failed = time.Now()
	args := []any{"exit", w.exit(), "workers", len(p.slots)}
	if w.boot.err != nil && !told {
		args = append(args, "error", w.boot.err)
	}
	w.log.Error("worker failed, the pool goes on without it", args...)
	p.rescale()
	return true
}

// lookForIdle has shrink called later. In run.
func (p *Pool) lookForIdle(in time.Duration) {
	p.growth.idleArmed = true
	in = max(in, time.Millisecond)
	if p.growth.idle == nil {
		p.growth.idle = time.AfterFunc(in, func() { p.do(p.shrink) })
	} else {
		p.growth.idle.Reset(in)
	}
}

// shrink ends the worker that has been idle for longest, if that is IdleTimeout, and there are more than the least. A
// reload is not disturbed, and no request can come between. In run.
func (p *Pool) shrink() {
	p.growth.idleArmed = false
	set := p.generation.settings
	least, _ := set.span()
	// rescale is called after each of them
	if p.stopping || p.roll != nil || p.growth.shrinking || len(p.slots) <= least {
		return
	}
	s, rest := p.idlest(set.IdleTimeout)
	if s == nil || rest > 0 {
		p.lookForIdle(rest)
		return
	}
	w := s.current
	select {
	case s.turn <- struct{}{}:
	default: // it is being replaced
		p.lookForIdle(growthPause)
		return
	}
	if !p.dispatch.withdrawIdle(w) {
		<-s.turn
		p.lookForIdle(growthPause)
		return
	}
	s.current = nil
	p.drop(s)
	p.growth.shrinking = true
	w.log.Info("pool shrinks: worker was idle", "idle_timeout", set.IdleTimeout.String(), "workers", len(p.slots),
		"min_workers", least)
	p.tasks.Go(func() {
		p.retire(w)
		<-s.turn
		p.do(func() {
			p.growth.shrinking = false
			if len(p.slots) > least && !p.growth.idleArmed {
				p.lookForIdle(0) // the next may be due
			}
			p.rescale()
		})
	})
}

// idlest is the slot whose worker has been idle for longest, and how long it still may be. In run.
func (p *Pool) idlest(limit time.Duration) (idlest *slot, rest time.Duration) {
	rest = limit
	for _, s := range p.slots {
		if s.current == nil || s.replaced || !s.current.isReady() {
			continue
		}
		state, since := s.current.idleness()
		if left := limit - time.Since(since); state == Idle && (idlest == nil || left < rest) {
			idlest, rest = s, left
		}
	}
	return idlest, rest
}
