// sink.go: what becomes of an exchange that a trial has placed. The sink listens on the way back, has the client's
// cookie set, and takes to the stable backend what another one could not even begin.

package canary

import (
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// sink is between a backend and an exchange's own Sink. It implements [protocol.Sink] and [protocol.Ticket].
type sink struct {
	protocol.Sink
	trial    *Trial
	exchange protocol.Exchange
	placed
	kind string
	told func(*protocol.LoggedError) // the exchange's own; nil is nobody's

	// of the sink's calls, which come one at a time
	begun    time.Time
	answered bool
	failed   bool // the exchange, or its answer is a status from 500 on
	logged   bool // an error, by the worker
	left     bool // nobody waited for it, or no fault of the code ended it: it is no evidence
	again    bool // it goes to the stable backend

	mu        sync.Mutex
	ticket    protocol.Ticket // of the latest backend
	moved     bool            // that is the stable one, after another
	cancelled bool
}

func (t *Trial) follow(x *protocol.Exchange, to placed, kind string) protocol.Ticket {
	s := &sink{Sink: x.Sink, trial: t, exchange: *x, placed: to, kind: kind, told: x.ErrorLogged}
	s.exchange.Sink, s.exchange.ErrorLogged = s, s.errorLogged
	ticket := t.backend(to.arm).Submit(&s.exchange)
	s.mu.Lock()
	if !s.moved {
		s.ticket = ticket
	}
	s.mu.Unlock()
	return s
}

// Cancel implements [protocol.Ticket].
func (s *sink) Cancel(code protocol.ResetCode) {
	s.mu.Lock()
	ticket := s.ticket
	s.cancelled = true
	s.mu.Unlock()
	if ticket != nil {
		ticket.Cancel(code)
	}
}

// errorLogged notes that the worker has logged an error.
func (s *sink) errorLogged(e *protocol.LoggedError) {
	s.logged = true
	if s.told != nil {
		s.told(e)
	}
}

// Begin implements [protocol.Sink].
func (s *sink) Begin(stream protocol.Stream) {
	s.begun = time.Now()
	s.Sink.Begin(stream)
}

// Respond implements [protocol.Sink].
func (s *sink) Respond(m *protocol.Response) {
	s.answered = true
	s.failed = s.failed || m.Status >= 500
	s.left = s.left || m.Status == 101 // how long a tunnel lasts says nothing
	if s.cookie != "" || s.arm == Candidate {
		changed := *m
		changed.Headers = private(m.Headers, s.cookie)
		m = &changed
	}
	s.Sink.Respond(m)
}

// private has no shared cache keep a response, or new code would reach everybody by way of one, and has it set the
// cookie, if there is one.
func private(headers []string, cookie string) []string {
	made := make([]string, 0, len(headers)+4)
	kept := []string{"private"}
	for i := 0; i+1 < len(headers); i += 2 {
		if !strings.EqualFold(headers[i], "Cache-Control") {
			made = append(made, headers[i], headers[i+1])
			continue
		}
		for part := range strings.SplitSeq(headers[i+1], ",") {
			part = strings.TrimSpace(part)
			name, _, _ := strings.Cut(strings.ToLower(part), "=")
			if part != "" && name != "public" && name != "private" && name != "s-maxage" {
				kept = append(kept, part)
			}
		}
	}
	made = append(made, "Cache-Control", strings.Join(kept, ", "))
	if cookie != "" {
		made = append(made, "Set-Cookie", cookie)
	}
	return made
}

// Fail implements [protocol.Sink].
func (s *sink) Fail(err *protocol.Failure) {
	switch err.Kind {
	case protocol.FailedStopping, protocol.FailedNoWorker:
		s.left = true
		s.again = s.begun.IsZero() && s.arm != Stable
	case protocol.FailedDied:
		s.failed = true
		s.again = !s.answered && s.arm == Candidate && s.exchange.Repeatable && s.exchange.Subject == nil
	case protocol.FailedBroken, protocol.FailedReset, protocol.FailedTimeout:
		s.failed = true
	default: // the queue's length, a client that has gone, a drain: none of the code's doing
		s.left = true
	}
	if !s.again {
		s.Sink.Fail(err)
	}
}

// Finished implements [protocol.Sink].
func (s *sink) Finished() {
	if s.client != "" && s.arm != Stable && !s.left && !s.begun.IsZero() {
		s.trial.saw(s.arm, s.client, s.kind, time.Since(s.begun), s.failed, s.logged)
	}
	s.forget()
	s.mu.Lock()
	again := s.again && !s.cancelled
	s.moved = s.moved || again
	s.mu.Unlock()
	switch {
	case again:
		s.repeat()
	case s.again: // nobody waits for what Fail has kept back
		s.Sink.Fail(&protocol.Failure{Kind: protocol.FailedCancelled})
		fallthrough
	default:
		s.Sink.Finished()
	}
}

// repeat submits the exchange to the stable backend, which answers to its own Sink.
func (s *sink) repeat() {
	x := s.exchange
	x.Sink, x.ErrorLogged = s.Sink, s.told
	ticket := s.trial.stable.Submit(&x)
	s.mu.Lock()
	s.ticket = ticket
	cancelled := s.cancelled
	s.mu.Unlock()
	if cancelled {
		ticket.Cancel(protocol.ResetCancelled)
	}
}

// forget drops a connection from the trial's list when its last event is over, or its first went wrong. One whose
// first event another backend is to have belongs there.
func (s *sink) forget() {
	switch s.exchange.Request.(type) {
	case *protocol.Open:
		if !s.answered && !s.failed && !s.left {
			return
		}
	case *protocol.Close:
	default:
		return
	}
	s.trial.connections.Delete(s.exchange.Subject.ConnectionID())
}
