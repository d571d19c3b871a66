// Phases: where something is in its life. One function changes them, by a table of the moves that there are.

package workers

import (
	"fmt"
	"slices"
)

// phase is a type whose values are the phases of one kind of life, from 0 on.
type phase interface {
	~int
	fmt.Stringer
}

// moves lists for each phase those that it may lead to.
type moves[P phase] [][]P

// move panics on an illegal move: it would be a bug of ours, and going on would hide it.
func (m moves[P]) move(at *P, to P) {
	if !slices.Contains(m[*at], to) {
		panic(fmt.Sprintf("workers: illegal move from %s to %s", *at, to))
	}
	*at = to
}

// answer is what the worker has said of an exchange. Guarded by attempt.calls; attempt.hears moves it.
type answer int

const (
	mute    answer = iota
	refused        // REFUSED came: it has done nothing
	spoken         // it said something, or did what can't be undone, but gave no head
	headed         // RESPONSE came
	held           // with `hold`: it becomes a connection with DONE
	bare           // with a head that is all that the client gets: what follows is for nobody
	whole          // with its END
)

func (p answer) String() string {
	return [...]string{"mute", "refused", "spoken", "headed", "held", "bare", "whole"}[p]
}

// What the sink does not hear any more, since the exchange is over, leads no further than to headed.
var answerMoves = moves[answer]{
	mute:    {refused, spoken, headed, held, bare, whole},
	refused: {spoken},
	spoken:  {headed, held, bare, whole},
	headed:  {whole},
	held:    {},
	bare:    {whole},
	whole:   {},
}

// served says that the client has got, or will get, all of the response.
func (p answer) served() bool { return p == bare || p == whole }

// begun says that the worker has let something of it be seen.
func (p answer) begun() bool { return p >= spoken }

// tenure is an attempt's time with its worker. Guarded by attempt.mu; attempt.enters moves it.
type tenure int

const (
	unopened tenure = iota
	behind          // the worker has it, and another request at hand
	atHand
	closed // the lease is over
)

func (p tenure) String() string { return [...]string{"unopened", "behind", "at hand", "closed"}[p] }

// leased says that the worker has it.
func (p tenure) leased() bool { return p == behind || p == atHand }

var tenureMoves = moves[tenure]{
	unopened: {behind, atHand, closed},
	behind:   {atHand, closed},
	atHand:   {closed},
	closed:   {},
}

// lastWord is what became of a response by the worker's last word of it but DONE; more may come of what is speaking or
// wasHeld (SPEC.md §10.6). It tells the watch what to expect, whoever hears it. Guarded by attempt.mu; attempt.closes
// moves it.
type lastWord int

const (
	speaking lastWord = iota
	wasHeld
	wasAnswered
	wasGivenUp
)

func (p lastWord) String() string { return [...]string{"speaking", "held", "answered", "given up"}[p] }

var lastWordMoves = moves[lastWord]{
	speaking:    {wasHeld, wasAnswered, wasGivenUp},
	wasHeld:     {wasHeld, wasAnswered, wasGivenUp},
	wasAnswered: {},
	wasGivenUp:  {},
}

// open says that the worker may have more to say.
func (p lastWord) open() bool { return p == speaking || p == wasHeld }

// linkPhase is how far the host's side of a link is. Guarded by worker.mu; link.enters moves it.
type linkPhase int

const (
	linkOpen    linkPhase = iota // streams may open
	linkParting                  // DRAIN was sent or ENDING came, and none does
	linkEnded                    // its process has gone, or never was there
)

func (p linkPhase) String() string { return [...]string{"open", "parting", "ended"}[p] }

var linkMoves = moves[linkPhase]{
	linkOpen:    {linkParting, linkEnded},
	linkParting: {linkEnded},
	linkEnded:   {},
}

// heed is how far a worker has come that does not heed a RESET. It only rises. Owned by run; watched.rises moves it.
type heed int

const (
	heeding   heed = iota
	overruled      // it is being ended, or replaced if it has other requests, too
	doomed         // it is being ended with all that it has: it is larger than MaxMemoryHard as well
)
