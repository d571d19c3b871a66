// The history: the generations that a reload can lead back to.

package workers

import (
	"errors"
	"fmt"
	"slices"
)

// remembered is how many generations before the latest can be gone back to.
const remembered = 5

// Revert has the next Reload or Stage lead back to a generation that has been live, or to the one before that which
// is, if generation is 0: with its release and the settings of then, and with its parked workers, if there are any.
// It fails, and changes nothing, if that can't be had again. Reconfigure takes it back.
func (p *Pool) Revert(generation uint64) error {
	err := ErrStopping
	p.do(func() {
		if !p.stopping {
			p.back, err = p.wayBackTo(generation)
		}
	})
	return err
}

// CanRevert says which generation Revert would lead back to, or with which error it would fail.
func (p *Pool) CanRevert(number uint64) (to uint64, err error) {
	err = ErrStopping
	p.do(func() {
		var g *generation
		if g, err = p.wayBackTo(number); err == nil {
			to = g.number
		}
	})
	return to, err
}

// Remembered are the numbers of the generations that Revert knows, and of the one that is live, in ascending order.
// Some of them may be gone from the disk.
func (p *Pool) Remembered() (numbers []uint64) {
	p.do(func() {
		for _, g := range p.history {
			numbers = append(numbers, g.number)
		}
	})
	return numbers
}

// wayBackTo finds a generation, and says why it can't be run again. In run.
func (p *Pool) wayBackTo(number uint64) (*generation, error) {
	live := p.generation
	i := slices.IndexFunc(p.history, func(g *generation) bool { return g.number == number })
	if number == 0 {
		if i = slices.Index(p.history, live) - 1; i < 0 {
			return nil, fmt.Errorf("pool %s: there is nothing before generation %d to go back to; what ran before "+
				"the host's start, and more than %d reloads ago, is not known", p.name, live.number, remembered)
		}
	}
	switch {
	case i < 0:
		return nil, fmt.Errorf("pool %s: generation %d is not known: it knows %v", p.name, number, p.numbers())
	case p.history[i] == live:
		return nil, fmt.Errorf("pool %s runs generation %d already", p.name, live.number)
	}
	if err := live.canReturn(p.history[i], p.history[i+1:]); err != nil {
		return nil, fmt.Errorf("pool %s: %w", p.name, err)
	}
	return p.history[i], nil
}

func (p *Pool) numbers() (all []uint64) {
	for _, g := range p.history {
		all = append(all, g.number)
	}
	return all
}

// canReturn says why old, which later ones followed, can't be run again after g; nil if it can.
func (g *generation) canReturn(old *generation, later []*generation) error {
	for _, l := range append(slices.Clone(later), g) {
		if l.directory == old.directory && !l.pinned {
			return fmt.Errorf("its code is edited in place, so %s holds no more what generation %d was: deploy each "+
				"release into a folder of its own, and have `directory` lead to it by a symlink", old.directory,
				old.number)
		}
	}
	if g.directory == old.directory { // the release has not changed, and only its settings may have
		return nil
	}
	return g.canGoBack(old)
}

// remember notes what a roll that has completed brought in. In run.
func (p *Pool) remember(r *Roll) {
	switch {
	case r.undoes != nil: // it was never meant to stay
		p.history = slices.DeleteFunc(p.history, func(g *generation) bool { return g == r.undoes.to && g != r.to })
	case !r.reverts:
		p.history = append(p.history, r.to)
		p.history = p.history[max(0, len(p.history)-remembered-1):]
	}
}

// leadsBack says whether the roll is one of Undo or Revert.
func (r *Roll) leadsBack() bool { return r.undoes != nil || r.reverts }

// wayBack is the generation before the roll, if it can be run again after now, which the pool runs.
func (r *Roll) wayBack(now *generation) (*generation, error) {
	switch {
	case r.to == nil:
		return nil, errors.New("the reload did not complete")
	case r.to != now:
		return nil, errors.New("another reload came between")
	}
	return r.from, now.canReturn(r.from, nil)
}
