// Events of connections: what they share with requests is the lease; what they have of their own is here (SPEC.md §9).

package workers

import (
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

// Delivery says what becomes of an event whose worker died.
type Delivery string

// The kinds of delivery. A CLOSE is delivered at least once with either.
const (
	AtLeastOnce Delivery = "at-least-once" // it is delivered once more, with attempt 2
	AtMostOnce  Delivery = "at-most-once"  // it is dropped
)

// isEvent says whether x is an event of a connection, and no request.
func (x *exchange) isEvent() bool { return x.kind != protocol.TypeRequest }

// word is what x is called in the log.
func (x *exchange) word() string {
	if x.isEvent() {
		return "event"
	}
	return "request"
}

// cutShort says whether a can be cut at the drain deadline and go to another worker.
func (a *attempt) cutShort() bool {
	a.calls.Lock()
	defer a.calls.Unlock()
	f := a.facts(byDone)
	f.given = protocol.FailedDrained
	return outcome(f).fate == repeated
}

// repeatEvent marks x as tried once more, and counts. Under calls.
func (a *attempt) repeatEvent() {
	a.x.request.SetAttempt(2)
	a.x.spared = false
	a.counts().eventsOf(a.x.kind).retries.Add(1)
}

// checkAnswer refuses what an event can't be answered with: only an OPEN has a response, which is a refusal and whole
// (SPEC.md §9.4).
func (a *attempt) checkAnswer(t protocol.Type, m *protocol.Response) error {
	switch {
	case !a.x.isEvent():
		return nil
	case a.x.kind != protocol.TypeOpen || t != protocol.TypeResponse:
		return &protocol.LinkError{Expected: "acts and DONE on an event's stream",
			Got: fmt.Sprintf("%s on that of %s", t, a.x.kind)}
	case m.Flags&protocol.FlagEnd == 0 || m.File != "" || m.Hold != nil:
		return &protocol.LinkError{Expected: "a refusal of OPEN with END, no file and no hold",
			Got: "another RESPONSE"}
	}
	return nil
}

// newest says whether no other slot has a worker of a newer generation than w's: then its offers count for the pool.
// In run.
func (p *Pool) newest(w *worker) bool {
	for _, s := range p.slots {
		if s != w.home && s.current != nil && s.current.isReady() && s.current.gen.number > w.gen.number {
			return false
		}
	}
	return true
}
