// Replacing a worker: start the new one, await its READY, swap, drain the old one, stop it.

package workers

import (
	"errors"
	"fmt"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// replacement is how one went.
type replacement struct {
	old, new *worker // old is nil for a slot that was empty
	drained  int     // requests that were in flight and ended well
	cut      []string
	again    string // how a first new worker was killed from outside; "" if there was none
}

// replace puts a worker of g into the slot. If only is given, it does nothing unless that worker is still there. On
// error the slot is as it was.
func (p *Pool) replace(s *slot, g *generation, only *worker) (r replacement, err error) {
	s.turn <- struct{}{}
	skip := false
	alive := p.do(func() {
		switch {
		case p.stopping:
			err = ErrStopping
		case only != nil && s.current != only:
			skip = true
		default:
			s.replaced = true
			s.endBackOff()
			r.new = p.newcomer(g, s)
		}
	})
	if !alive {
		err = ErrStopping
	}
	if err != nil || skip {
		<-s.turn
		return r, err
	}
	err = p.awaitBoot(r.new)
	alive = p.do(func() {
		s.replaced = false
		if err = p.swap(s, &r, g, err); err == nil && only != nil && r.old == only {
			p.restarted(s, only.gen, only.wear.reason(), "")
		}
	})
	<-s.turn
	if !alive {
		err = errors.Join(err, ErrStopping)
	}
	switch {
	case err != nil || r.old == nil:
	case only != nil:
		p.outlast(r.old)
	default:
		r.drained, r.cut = p.leave(r.old)
	}
	return r, err
}

// swap ends the replacement's first half. In run.
func (p *Pool) swap(s *slot, r *replacement, g *generation, err error) error {
	switch {
	case p.stopping:
		r.new.kill(ErrStopping.Error())
		err = ErrStopping
	case err != nil:
		p.failed(err)
		r.new.voice.booted(err.Error()) // whoever gets it logs it
	case !p.admit(r.new):
		err = errors.New("it ended right after READY; its log says why")
	default:
		r.old, s.current = s.current, r.new
		s.gen, s.failures, s.last = g, 0, r.new.started
		p.include(s)
		return nil
	}
	p.fill(s) // if the old worker has ended meanwhile
	return err
}

// retire drains a worker that gets no more requests, and ends it. It returns the number of requests in flight that
// ended well, and the names of those that had to be cut.
func (p *Pool) retire(w *worker) (drained int, cut []string) {
	return p.finish(w, p.dispatch.withdraw(w, Draining), w.gen.settings.DrainTimeout)
}

// finish is the rest of retire for a worker that was withdrawn with so many requests in flight, which get limit.
func (p *Pool) finish(w *worker, leases int, limit time.Duration) (drained int, cut []string) {
	set := w.gen.settings
	drained = leases
	w.drain(limit)
	w.tellLeaving(limit)
	if !wait.Within(p.dispatch.drained(w), limit) {
		undone := w.requestsAtHand()
		taken := 0
		cut, taken = w.cut()
		drained -= min(drained, len(cut)+taken)
		switch {
		case len(cut) > 0:
			w.log.Warn("drain deadline passed, requests are cut", "drain_timeout", set.DrainTimeout.String(),
				"requests", cut)
		case taken == 0: // else the log has each of them
			w.log.Warn("drain deadline passed, and code still runs for what has been answered",
				"drain_timeout", set.DrainTimeout.String(), "requests", undone)
		}
		wait.Within(p.dispatch.drained(w), min(set.StopTimeout, time.Second)) // a moment to heed the RESET
	}
	w.stop()
	return drained, cut
}

// cut gives up every stream of the worker, and names the requests whose response was not whole. The events that it
// took go to another worker.
func (w *worker) cut() (names []string, taken int) {
	for _, a := range w.attempts() {
		f := &protocol.Failure{Kind: protocol.FailedDrained,
			Detail: fmt.Sprintf("%s was replaced, and drain_timeout (%v) passed", w, w.gen.settings.DrainTimeout)}
		if a.cutShort() {
			if a.giveUp(protocol.Reset{Code: protocol.ResetDrained}, f) {
				taken++
				w.log.Warn("drain deadline passed, an event is taken from its worker and delivered once more",
					"drain_timeout", w.gen.settings.DrainTimeout.String(), "stream", a.id)
			}
			continue
		}
		if name, _ := a.fail(f); name != "" {
			names = append(names, name)
		}
		a.giveUp(protocol.Reset{Code: protocol.ResetDrained}, f)
	}
	return names, taken
}

// drain tells a worker that was withdrawn to finish what it has, for which it gets so long, and to exit; 0 is as long
// as it takes. It is told once.
func (w *worker) drain(deadline time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link.phase == linkOpen {
		w.link.enters(linkParting)
		w.conn.Send(&protocol.Drain{Deadline: deadline.Milliseconds()}) // a broken pipe shows in the exit
	}
}

// stop ends the process of a worker that was told to drain: end of input, TERM, KILL, each with its deadline. After
// DRAIN a worker may finish its own affairs although its input has ended (SPEC.md §8.3).
func (w *worker) stop() {
	if w.process == nil {
		return
	}
	limit := w.gen.settings.StopTimeout
	if profile := w.inquiry.underWay(); profile != nil {
		wait.Within(profile, limit) // it ends by itself, and needs the worker's input for that
	}
	asked := time.Now()
	flushed := make(chan struct{})
	go func() { w.conn.Flush(); close(flushed) }() // ends at the latest when the input is closed
	wait.Within(flushed, limit)
	w.input.Close()
	if wait.Within(w.end.gone, limit-time.Since(asked)) {
		return
	}
	args := []any{"stop_timeout", limit.String()}
	if names := w.requestsAtHand(); len(names) > 0 {
		args = append(append(args, "requests", names), w.whereabouts()...)
	}
	w.log.Warn("worker did not exit on DRAIN, sending TERM", args...)
	w.process.Terminate()
	if wait.Within(w.end.gone, limit) {
		return
	}
	w.log.Warn("worker did not exit on TERM, sending KILL", "stop_timeout", limit.String())
	w.process.Kill()
	<-w.end.gone
}
