// Parking: the old workers of a reload stay beside the new ones for a while, idle and without a request, so that a
// reload back to their generation starts none. The stash is where the pool looks before it starts a worker.

package workers

import (
	"slices"
	"time"

	"github.com/workerhost/workerhost/workers/internal/wait"
)

// stash has the parked workers. Owned by run.
type stash struct {
	from    *generation // whose workers the roll under way parks as it replaces them; nil: none
	workers []*worker
	weighed time.Time // when their pool's memory was looked at
}

// parking is what run knows of a worker that is or was parked. Owned by run.
type parking struct {
	until   time.Time // when its time is over; zero until its roll has completed
	revived bool      // it was parked, and is to take a slot again, or has
}

// parks says whether the roll from one generation to another is to leave the old one's workers parked. In run.
func (p *Pool) parks(r *Roll, before, g *generation) bool {
	if g.settings.Park <= 0 || r.leadsBack() {
		return false
	}
	if err := g.canReturn(before, nil); err != nil {
		p.log.Warn("old workers are not parked: a reload could not lead back to them", "error", err)
		return false
	}
	return true
}

// leave is for a worker that a roll has put another one in the place of, or whose slot it removes: it is parked, if
// the roll parks its generation, or retired.
func (p *Pool) leave(w *worker) (drained int, cut []string) {
	parks := false
	p.do(func() { parks = p.stash.from == w.gen })
	if !parks {
		return p.retire(w)
	}
	// Nothing tells the worker. What it still has at half of its time is as in any drain, of which it hears then.
	limit := w.gen.settings.DrainTimeout
	drained = p.dispatch.withdraw(w, Draining)
	if wait.Within(p.dispatch.drained(w), limit/2) && p.park(w) {
		return drained, nil
	}
	return p.finish(w, drained, limit-limit/2)
}

// park parks a worker that was withdrawn and has nothing in flight, and says whether it did.
func (p *Pool) park(w *worker) (parked bool) {
	p.do(func() {
		if p.stopping || p.stash.from != w.gen || w.wear.due.Load() != 0 || !p.roomInStash() || !w.isOpen() ||
			!p.dispatch.park(w) {
			return
		}
		parked = true
		// so that there is never more than one parked worker for a slot
		p.endParked("the next generation is parked", func(old *worker) bool { return old.slot == w.slot })
		p.stash.workers = append(p.stash.workers, w)
	})
	return parked
}

// roomInStash says whether the roll may park one worker more. In run.
func (p *Pool) roomInStash() bool {
	if most := p.generation.settings.ParkWorkers; most > 0 && len(p.parked(p.stash.from)) >= most {
		return false
	}
	return !p.crowded()
}

// parked are those of a generation. In run.
func (p *Pool) parked(g *generation) (all []*worker) {
	for _, w := range p.stash.workers {
		if w.gen == g {
			all = append(all, w)
		}
	}
	return all
}

// crowded says whether the workers together are larger than MaxPoolMemory. In run.
func (p *Pool) crowded() bool {
	limit := p.generation.settings.MaxPoolMemory
	return limit > 0 && p.memory() > limit
}

// memory is that of all workers. In run.
func (p *Pool) memory() (sum int64) {
	for w := range p.live {
		sum += w.process.Memory()
	}
	return sum
}

// settleParked is for the end of a roll that has completed: what it has parked stays for Park, and what was parked
// before ends. In run.
func (p *Pool) settleParked(before, g *generation) {
	parks := p.stash.from == before
	p.stash.from = nil
	p.endParked("a reload has completed", func(w *worker) bool { return !parks || w.gen != before })
	all := p.parked(before)
	if len(all) == 0 {
		return
	}
	memory := int64(0)
	for _, w := range all {
		w.parking.until = time.Now().Add(g.settings.Park)
		memory += w.process.Memory()
	}
	p.log.Info("old workers are parked: a roll back to them starts none", "generation", before.number, "workers",
		len(all), "memory", memory, "park", g.settings.Park.String())
}

// unpark takes the parked worker of g for the slot, if there is one. In run.
func (p *Pool) unpark(g *generation, s *slot) *worker {
	for i, w := range p.stash.workers {
		if w.gen == g && w.slot == s.index && w.wear.due.Load() == 0 && w.isOpen() {
			p.stash.workers = slices.Delete(p.stash.workers, i, i+1)
			w.home, w.parking.revived = s, true
			return w
		}
	}
	return nil
}

// parkAgain is for a worker of unpark that was not needed after all. It says whether it could be. In run.
func (p *Pool) parkAgain(w *worker) bool {
	if _, lives := p.live[w]; p.stopping || !lives || !w.parking.revived || w.dispatchState() != Parked {
		return false
	}
	w.parking.revived = false
	p.stash.workers = append(p.stash.workers, w)
	return true
}

// endParked ends those that which chooses. In run.
func (p *Pool) endParked(why string, which func(*worker) bool) {
	p.stash.workers = slices.DeleteFunc(p.stash.workers, func(w *worker) bool {
		if !which(w) {
			return false
		}
		w.log.Info("parked worker ends", "why", why)
		p.tasks.Go(func() { p.retire(w) })
		return true
	})
}

func all(*worker) bool { return true }

// watchParked ends parked workers whose time is over, that have become too large, or whose memory others need. In
// run.
func (p *Pool) watchParked(now time.Time) {
	if len(p.stash.workers) == 0 || p.stopping {
		return
	}
	p.endParked("its time is over", func(w *worker) bool {
		return !w.parking.until.IsZero() && now.After(w.parking.until)
	})
	if now.Sub(p.stash.weighed) < weighEvery {
		return
	}
	p.stash.weighed = now
	p.endParked("it is larger than max_memory", func(w *worker) bool {
		limit := w.gen.settings.memoryLimit()
		return limit > 0 && w.wear.born <= limit && w.process.Memory() > limit
	})
	if len(p.stash.workers) > 0 && p.crowded() {
		p.endParked("memory would pass max_pool_memory", all)
	}
}

// forgetParked is for a worker whose process has ended: if it was parked, none takes its place. In run.
func (p *Pool) forgetParked(w *worker) {
	if i := slices.Index(p.stash.workers, w); i >= 0 {
		p.stash.workers = slices.Delete(p.stash.workers, i, i+1)
		w.log.Warn("parked worker ended, and is not replaced: a roll back starts one in its place", "exit", w.exit())
	}
}

// isOpen says whether streams may open at the worker.
func (w *worker) isOpen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link.phase == linkOpen
}

// startTime is how long it took to start, now: a parked worker has done so long ago.
func (w *worker) startTime() time.Duration {
	if w.parking.revived {
		return 0
	}
	return w.boot.took
}
