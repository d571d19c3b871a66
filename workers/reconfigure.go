// Reconfiguring: settings that the next reload brings in, and the slots that come and go with them.

package workers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Reconfigure gives the settings that the next Reload brings in: command, environment, time-outs and all, and a slot
// more or less for each worker more or less. The queue's length and deadline are in force when that reload begins.
// Until then, and if it fails before the first worker was swapped, the pool keeps the settings that it has, and the
// new ones are forgotten. Name, Logger, Reaper and Hub can't change. The pool must have been started. A second call
// before the reload replaces the first.
func (p *Pool) Reconfigure(s Settings) error {
	next, err := p.successor(s)
	if err != nil {
		return err
	}
	alive := p.do(func() {
		if p.stopping {
			err = ErrStopping
			return
		}
		if next.Unsized && p.growth.fitting > 0 {
			next.Workers = p.growth.fitting
		}
		p.wanted, p.back = next, nil
	})
	if !alive {
		return errors.New("workers: the pool does not run, so it can't be reconfigured")
	}
	return err
}

// successor completes settings that are to follow those of the pool.
func (p *Pool) successor(s Settings) (*Settings, error) {
	s, err := s.withDefaults()
	switch {
	case err != nil:
		return nil, err
	case s.Name != p.name:
		return nil, fmt.Errorf("workers: pool %s can't be renamed to %s: make another pool", p.name, s.Name)
	}
	s.Logger, s.Reaper, s.Hub, s.launch = p.settings.Logger, p.settings.Reaper, p.settings.Hub, p.settings.launch
	return &s, nil
}

// include takes the slot in, if it is new. In run.
func (p *Pool) include(s *slot) {
	if !s.outside {
		return
	}
	s.outside = false
	p.slots = append(p.slots, s)
	slices.SortFunc(p.slots, func(a, b *slot) int { return cmp.Compare(a.index, b.index) })
}

// dismiss takes the slot out of the pool, and drains its worker.
func (p *Pool) dismiss(s *slot) (r replacement) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	p.do(func() {
		p.drop(s)
		r.old, s.current = s.current, nil
	})
	switch {
	case r.old == nil:
	case r.old.isReady():
		r.drained, r.cut = p.leave(r.old)
	default:
		r.old.kill("its slot was removed")
		<-r.old.end.gone
	}
	return r
}

// size is how many slots there are.
func (p *Pool) size() (n int) {
	p.do(func() { n = len(p.slots) })
	return n
}
