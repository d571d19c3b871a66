// Replacing in place: the old worker ends before the new one starts, for what only one process may hold, or has memory
// for.

package workers

import (
	"errors"
	"fmt"
)

// replaceInPlace is as replace, the other way round. If the new worker fails, one of the slot's own generation takes
// the place again.
func (p *Pool) replaceInPlace(s *slot, g *generation, only *worker) (r replacement, err error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	r.old, err = p.empty(s, only)
	if err != nil || only != nil && r.old == nil {
		return r, err
	}
	if r.old != nil {
		switch {
		case only != nil && only.wear.reason() != unresponsive: // no request of its is ever cut
			p.dispatch.withdraw(only, Draining)
			only.drain(0)
			only.tellLeaving(only.gen.settings.DrainTimeout)
			<-p.dispatch.drained(only)
			only.stop()
		case r.old.isReady():
			r.drained, r.cut = p.retire(r.old)
		default:
			r.old.kill("it is replaced")
			<-r.old.end.gone
		}
	}
	r.new, err = p.occupy(s, g)
	if err != nil && !errors.Is(err, ErrStopping) && !s.outside {
		if _, back := p.occupy(s, s.gen); back != nil {
			err = fmt.Errorf("%w; and the old code did not start again in its place, and is tried again: %w", err,
				back)
		}
	}
	p.do(func() {
		if s.replaced = false; err == nil && only != nil {
			p.restarted(s, only.gen, only.wear.reason(), "")
		}
		p.fill(s) // if it is empty now
	})
	return r, err
}

// empty takes the worker, if only is given no other than that, out of the slot, which stays empty until replaced is
// false.
func (p *Pool) empty(s *slot, only *worker) (old *worker, err error) {
	err = ErrStopping
	p.do(func() {
		if p.stopping {
			return
		}
		if err = nil; only != nil && s.current != only {
			return
		}
		s.replaced = true
		s.endBackOff()
		old, s.current = s.current, nil
	})
	return old, err
}

// occupy starts a worker of g in a slot that empty has emptied.
func (p *Pool) occupy(s *slot, g *generation) (w *worker, err error) {
	alive := p.do(func() {
		if p.stopping {
			err = ErrStopping
			return
		}
		w = p.launch(g, s)
	})
	if !alive || err != nil {
		return nil, ErrStopping
	}
	err = p.awaitBoot(w)
	alive = p.do(func() { err = p.swap(s, &replacement{new: w}, g, err) }) // it fills nothing while replaced is set
	if !alive {
		err = ErrStopping
	}
	return w, err
}
