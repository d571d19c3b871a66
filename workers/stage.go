// Staging: a roll that waits once its first new worker is ready, and the way back from one that has completed. By
// both, several pools change all together or not at all.

package workers

import (
	"errors"
	"fmt"
)

// ErrWithdrawn is why a roll failed that [Roll.Withdraw] ended.
var ErrWithdrawn = errors.New("the reload was withdrawn before anything was changed")

// gate holds a roll.
type gate struct {
	decided  chan struct{} // closed by whoever decides
	withdraw bool          // what was decided; fixed when decided is closed
}

// Stage begins a reload as Reload does, and holds it once its first new worker is ready: beside the old ones, warmed
// up, and with no client's request. The settings of Reconfigure are not in force yet. With InPlace no worker can start
// beside the old ones, so such a pool waits after Prepare. Stage joins no reload that is under way: then it fails.
func (p *Pool) Stage() *Roll {
	r := newRoll()
	r.gate = &gate{decided: make(chan struct{})}
	return p.startAlone(r)
}

// Undo begins a reload back to what the pool ran before r, a reload of its that has completed: the release and the
// settings of then. It fails, and changes nothing, if that release can't be had again or another reload came between.
func (p *Pool) Undo(r *Roll) *Roll {
	back := newRoll()
	back.undoes = r
	return p.startAlone(back)
}

func (p *Pool) startAlone(r *Roll) *Roll {
	err := ErrStopping
	p.do(func() {
		switch {
		case p.stopping:
		case p.roll != nil:
			err = errors.New("another reload is under way")
		default:
			err = nil
			p.startRoll(r)
		}
	})
	if err != nil {
		r.add(Event{Kind: EventFailed, Pool: p.name, Error: err.Error(), Cause: err})
	}
	return r
}

// Proceed lets a roll of Stage go on, which tells by EventStaged that it waits. It is called once at most, and not
// with Withdraw.
func (r *Roll) Proceed() { close(r.gate.decided) }

// Withdraw ends a roll of Stage before anything is changed, with EventFailed and ErrWithdrawn. It is called once at
// most, and not with Proceed.
func (r *Roll) Withdraw() {
	r.gate.withdraw = true
	close(r.gate.decided)
}

// passGate starts the worker that is to be the first one of g, in the place s, and returns when the roll may go on, or
// with what ends it.
func (p *Pool) passGate(r *Roll, g *generation, s *slot) *fault {
	if r.gate == nil {
		return nil
	}
	staged := Event{Kind: EventStaged, Pool: p.name, Generation: g.number, Slot: s.index}
	var w *worker
	var died <-chan struct{}
	if !g.settings.InPlace {
		var err error
		w, err = p.stage(g, s)
		if err != nil && w != nil && w.end.struck && !r.isAborted() {
			staged.Again = w.end.exit
			w.log.Warn("new worker was killed from outside before it was ready, one more is tried", "error", err)
			w, err = p.stage(g, s)
		}
		if err != nil {
			return &fault{slot: s.index, new: w, err: err}
		}
		died, staged.NewPID, staged.Boot, staged.Parked = w.end.gone, w.pid(), w.startTime(), w.parking.revived
	}
	r.add(staged)
	for {
		var err error
		select {
		case <-died:
			if died = nil; w.fromOutside() || w.parking.revived {
				w.log.Warn("worker ended while it waited for other pools, another one takes its place", "exit",
					w.end.exit)
				continue
			}
			err = fmt.Errorf("worker %d was ready, and died before it got a request (%s); its log says why",
				s.index, w.end.exit)
			return &fault{slot: s.index, err: err}
		case <-p.context.Done():
			return &fault{slot: s.index, err: ErrStopping} // Stop ends the worker
		case <-r.aborted:
			err = ErrAborted
		case <-r.gate.decided:
			if !r.gate.withdraw {
				return nil
			}
			err = ErrWithdrawn
		}
		again := false
		if w != nil && died != nil {
			p.do(func() {
				g.staged = nil
				again = p.parkAgain(w)
			})
			if !again {
				p.retire(w)
			}
		}
		return &fault{slot: s.index, err: err}
	}
}

// stage starts a worker of g beside the one of the slot, and waits until it is ready.
func (p *Pool) stage(g *generation, s *slot) (w *worker, err error) {
	p.do(func() {
		if !p.stopping {
			if w = p.unpark(g, s); w == nil {
				w = p.launch(g, s)
			}
			g.staged = w
		}
	})
	if w == nil {
		return nil, ErrStopping
	}
	if err = p.awaitBoot(w); err != nil {
		p.do(func() {
			g.staged = nil
			p.failed(err)
		})
		w.voice.booted(err.Error()) // whoever gets it logs it
	}
	return w, err
}

// newcomer is the worker of g that is to take the place: the one that is staged for it, one that is parked, or one
// that starts now. In run.
func (p *Pool) newcomer(g *generation, s *slot) *worker {
	if w := g.staged; w != nil && w.home == s {
		g.staged = nil
		if _, lives := p.live[w]; lives || !w.fromOutside() && !w.parking.revived {
			return w
		}
	}
	if w := p.unpark(g, s); w != nil {
		return w
	}
	return p.launch(g, s)
}

// step is what the roll calls the replacement of a worker.
func (r *Roll) step() EventKind {
	if r.undoes != nil {
		return EventRestored
	}
	return EventReplaced
}
