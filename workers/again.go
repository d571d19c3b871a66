// One kindness: a new worker that somebody else killed while it started says nothing about the new code, so a roll
// tries once more.

package workers

import (
	"errors"
	"fmt"
	"slices"
)

// outsideSignals are those that code does not die of by itself: an operator's, a service manager's, or the kernel's
// when memory is short.
var outsideSignals = []string{"signal: killed", "signal: terminated", "signal: interrupt", "signal: hangup"}

// fromOutside says whether a signal that was not ours ended the process, which has gone.
func (w *worker) fromOutside() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link.broken == "" && slices.Contains(outsideSignals, w.end.exit)
}

// changeInRoll is change, and once more if the new worker was killed from outside before it was READY; again then says
// by what.
func (p *Pool) changeInRoll(r *Roll, s *slot, g *generation) (done replacement, err error) {
	done, err = p.change(s, g, nil)
	if err == nil || done.new == nil || errors.Is(err, ErrStopping) || r.isAborted() {
		return done, err
	}
	if done.new.parking.revived { // which says nothing about one that starts
		done.new.log.Warn("parked worker can't serve again, another one is started", "error", err)
		return p.change(s, g, nil)
	}
	if done.new.isReady() || !done.new.end.struck {
		return done, err
	}
	first := done
	exit := first.new.end.exit
	done.new.log.Warn("new worker was killed from outside before it was ready, one more is tried", "error", err)
	done, err = p.change(s, g, nil)
	done.again = exit
	if err != nil {
		err = fmt.Errorf("%w; the one before it was killed from outside (%s)", err, exit)
	}
	if first.old != nil { // in place: the one that is counted ended for the first attempt
		done.old, done.drained, done.cut = first.old, first.drained, first.cut
	}
	return done, err
}
