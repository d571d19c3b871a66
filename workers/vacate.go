// vacate.go: what becomes of a slot whose worker has ended.

package workers

import (
	"slices"
	"time"
)

// noteCrash is for the last worker of a pool that was ready and ended before it was of any use: who asks why nobody
// serves should learn it. In run.
func (p *Pool) noteCrash(w *worker) {
	text := "it was ready, and ended before it finished a request (" + w.exit() + ")"
	if said := w.tail.String(); said != "" {
		text += ": " + said
	}
	p.failure.Store(&text)
}

// exited is the worker's last word.
func (p *Pool) exited(w *worker) {
	p.do(func() {
		delete(p.live, w)
		if p.stopping && len(p.live) == 0 {
			p.dispatch.close() // nobody is left to serve the queue
		}
		p.forgetParked(w)
		if w.home.current == w {
			p.vacate(w.home, w)
		}
		if p.stopping {
			w.voice.booted("") // nobody reports how it ended
		}
		for _, s := range slices.Clone(p.slots) {
			p.relieve(s)
		}
	})
}

// vacate empties a slot whose worker ended by itself, or is about to, and sees to the next one. In run.
func (p *Pool) vacate(s *slot, w *worker) {
	s.current = nil
	told := false // the log has it from the one before
	if w.boot.err != nil {
		told = p.lastFailure() == w.boot.err.Error()
		p.judge(w.gen, w.boot.err)
		p.failed(w.boot.err)
	}
	if p.stopping || s.replaced {
		return
	}
	alone := !slices.ContainsFunc(p.slots, func(s *slot) bool { return s.current != nil || s.replaced })
	if alone && w.boot.err == nil && w.finished() == 0 {
		p.noteCrash(w)
	}
	p.refill(s, w, told)
	if w.boot.err == nil {
		return
	}
	w.voice.booted(w.boot.err.Error())
	if alone && p.dispatch.giveUp() {
		p.log.Error("no worker of the pool can start: requests get 503 until one does; it is tried again ever " +
			"more slowly, and at once at the next reload")
	}
}

// refill starts the next worker after a delay that depends on how the last one, w, did; told says that the log has why
// it failed to start. In run.
func (p *Pool) refill(s *slot, w *worker, told bool) {
	if (w.boot.err != nil || w.finished() == 0) && p.abandon(s, w, told) {
		return
	}
	delay := max(0, respawnGap-time.Since(s.last))
	if w.boot.err != nil || w.finished() == 0 {
		s.failures++
		delay = backoffDelay(s.failures)
	} else {
		s.failures = 0
	}
	p.restarted(s, w.gen, w.ending(), w.exit())
	in := delay.Round(time.Millisecond).String()
	switch {
	case told:
		w.log.Error("worker failed to start, for the same reason", "failures", s.failures, "again_in", in)
	case w.boot.err != nil:
		w.log.Error("worker failed to start", "error", w.boot.err, "again_in", in)
	default:
		w.log.Warn("worker ended, another one is started", "exit", w.exit(), "in", in)
	}
	p.fillLater(s, delay)
}

// fillLater has the slot back off for so long. In run.
func (p *Pool) fillLater(s *slot, delay time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(delay, func() {
		p.do(func() {
			if s.timer == timer { // nobody stopped it as it fired
				s.timer = nil
				p.fill(s)
			}
		})
	})
	s.timer = timer
}

// endBackOff is for whoever sees to the slot in another way. In run.
func (s *slot) endBackOff() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

func (p *Pool) lastFailure() string {
	if text := p.failure.Load(); text != nil {
		return *text
	}
	return ""
}
