// splitter.go: the place where an exchange turns to the one backend or the other.

package canary

import (
	"sync/atomic"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Splitter is a [hub.Backend] before another one, whose clients it shares with those of a [Trial] while there is one.
// Its methods are safe for concurrent use.
type Splitter struct {
	stable   hub.Backend
	trial    atomic.Pointer[Trial] // nil: there is none
	conceals atomic.Bool           // see Conceal
}

// NewSplitter makes one without a trial.
func NewSplitter(stable hub.Backend) *Splitter { return &Splitter{stable: stable} }

// Conceal keeps from the backends, from now on and for good, what a request forces an arm with: there is a secret in
// it, or there was, and browsers send a cookie for longer than a trial lasts.
func (s *Splitter) Conceal() { s.conceals.Store(true) }

// Divide has the trial's backends take their share. It replaces a trial before it.
func (s *Splitter) Divide(t *Trial) {
	t.stable = s.stable
	if t.settings.Secret != "" {
		s.Conceal()
	}
	s.trial.Store(t)
}

// Close ends the share of the trial's backends: what comes goes to the stable backend. Exchanges that they have stay
// with them, and files of theirs are served, until End.
func (s *Splitter) Close() {
	if t := s.trial.Load(); t != nil {
		t.closed.Store(true)
	}
}

// End forgets the trial, whose backends have nothing left.
func (s *Splitter) End() { s.trial.Store(nil) }

// Apart says whether a request is of a client that a trial's candidate serves, whose answers are not for others.
func (s *Splitter) Apart(r *protocol.Request) bool {
	t := s.trial.Load()
	return t != nil && t.Tries(r)
}

// Traits implements [hub.Backend].
func (s *Splitter) Traits() protocol.Traits {
	traits := s.stable.Traits()
	if t := s.trial.Load(); t != nil {
		traits.FileRoots = t.fileRoots
	}
	return traits
}

// Submit implements [hub.Backend].
func (s *Splitter) Submit(x *protocol.Exchange) protocol.Ticket {
	t := s.trial.Load()
	if t != nil && t.closed.Load() {
		t = nil
	}
	var to placed
	kind := ""
	if t != nil {
		to, kind = t.where(x)
	}
	if s.conceals.Load() {
		conceal(x)
	}
	if to.arm == Stable && to.cookie == "" {
		return s.stable.Submit(x)
	}
	return t.follow(x, to, kind)
}
