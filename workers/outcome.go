// The outcome of an attempt: what becomes of an exchange once its worker is done with it, or has died.

package workers

import "github.com/workerhost/workerhost/protocol"

// ending is how an attempt ends.
type ending int

const (
	byDone   ending = iota // DONE came
	byDeath                // the worker died by itself
	byBreach               // the link failed, or the host ended the worker
)

// facts are what is known of an attempt at its end.
type facts struct {
	end      ending
	answer   answer               // what the worker has said
	over     bool                 // its sink knows already that it failed
	recalled bool                 // another attempt goes on with it
	given    protocol.FailureKind // why we gave it up; 0: we did not
	asked    bool                 // we asked it back
	resigned bool                 // the worker sent RESET
	unseen   bool                 // the worker, which died, can't know of it

	event         bool // of a connection
	repeat, keyed bool // see exchange
	spared        bool // its attempt 2 was for no death
	attempts      int
	moves         int // how many workers had it before without beginning it
}

// fate is what becomes of an exchange.
type fate int

const (
	elsewhere fate = iota // nothing: another attempt has it
	finished              // nothing is left to be told but that it is over
	fails                 // its sink hears why
	moved                 // another worker gets it as if nothing had been
	repeated              // an event is delivered once more, with attempt 2
	retried               // a request is tried once more, with attempt 2
)

// goesOn says that another worker gets it.
func (f fate) goesOn() bool { return f >= moved }

// verdict is what follows from facts.
type verdict struct {
	fate         fate
	kind         protocol.FailureKind // why it fails
	flaw, clause string               // what the worker did otherwise than SPEC.md's clause has it; "" if it did not
	moves        int                  // how many workers now had it without beginning it
	handedBack   bool                 // it never was at hand, so its time does not count
	well         bool                 // it went well
	commits      bool                 // its acts take effect (SPEC.md §10.1)
}

// outcome is decided here alone (SPEC.md §4.6, §5.7, §7.1, §9.8, §10.1).
func outcome(f facts) verdict {
	v := verdict{moves: f.moves, handedBack: f.end == byDone && f.answer == refused && f.asked}
	switch {
	case f.recalled:
		v.fate = elsewhere
	case f.over:
		v.fate = finished
	case f.answer.served(): // whoever left with the whole response has been served
		v.fate = finished
		v.well = f.end == byDone && (f.given == 0 || f.given == protocol.FailedCancelled)
	case f.given != 0 && f.repeatable():
		v.fate = repeated
	case f.given != 0: // nobody waits for it any more
		v.fate, v.kind = fails, f.given
	case v.handedBack:
		v.fate = moved
	case f.unbegun():
		if v.moves++; v.moves < maxMoves {
			v.fate = moved
		} else {
			v.end(f)
		}
	default:
		v.end(f)
	}
	v.commits = v.well && !f.resigned
	return v
}

// end is the outcome of what the worker may have begun, and what no other one takes over as if nothing had been.
func (v *verdict) end(f facts) {
	switch {
	case f.end == byDone:
		v.done(f)
	case f.repeatable():
		v.fate = repeated
	case f.end == byDeath && !f.event && !f.answer.begun() && (f.repeat || f.keyed) && f.attempts < 2:
		v.fate = retried
	case f.end == byDeath:
		v.fate, v.kind = fails, protocol.FailedDied
	default:
		v.fate, v.kind = fails, protocol.FailedBroken
	}
}

// done is the outcome of DONE where nothing stood before it that decides.
func (v *verdict) done(f facts) {
	switch {
	case f.answer == refused:
		v.flaw, v.clause = "it was refused %d times, so no other worker is asked", "§7.1"
	case f.event || f.answer == held:
		v.fate, v.well = finished, true
		return
	case f.answer == headed:
		v.flaw, v.clause = "DONE came before the response had its END", "§4.2"
	default:
		v.flaw, v.clause = "DONE came without a RESPONSE", "§4.2"
	}
	v.fate, v.kind = fails, protocol.FailedReset
}

// unbegun says that the worker has done nothing of it: it said so, or can't have.
func (f facts) unbegun() bool { return f.answer == refused || f.unseen && !f.answer.begun() }

// repeatable says whether an event that a worker had goes to another one, marked so (SPEC.md §9.8). What was given up
// at the drain deadline does; for anything else that was given up nobody waits.
func (f facts) repeatable() bool {
	return f.event && f.repeat && (f.attempts < 2 || f.spared) && (f.given == 0 || f.given == protocol.FailedDrained)
}

// facts are gathered under calls, and are whole but for what only the end tells: recalled and unseen.
func (a *attempt) facts(end ending) facts {
	x := a.x
	f := facts{end: end, answer: a.answer, over: a.over, event: x.isEvent(), repeat: x.repeat, keyed: x.keyed}
	if !a.over { // else another worker may have it, or the front has it back
		f.spared, f.attempts, f.moves = x.spared, x.request.Attempts(), x.moves
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if f.asked = a.asked; a.given != nil {
		f.given = a.given.Kind
	}
	return f
}
