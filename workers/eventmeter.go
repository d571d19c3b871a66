// The meter's part for events of connections, which are counted apart from requests.

package workers

import (
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// EventCounts are how the events of one kind went.
type EventCounts struct {
	Done     uint64            // a worker has run all of its code for them
	Retries  uint64            // delivered once more after their worker died, or was cut at the drain deadline
	Failures map[string]uint64 // given up, by why; "reset by worker" is a handler that failed
}

// eventKinds names the kinds of events in [Metrics], by their type.
var eventKinds = map[protocol.Type]string{
	protocol.TypeOpen: "open", protocol.TypeMessage: "message", protocol.TypeClose: "close", protocol.TypeBuffer: "buffer",
}

type eventCounter struct {
	done, retries atomic.Uint64
	failures      [failureKinds]atomic.Uint64
}

// eventsOf gives the counter of a kind of events.
func (m *meter) eventsOf(kind protocol.Type) *eventCounter { return &m.events[kind-protocol.TypeOpen] }

// began counts an attempt whose worker has it now, and size bytes of body with it.
func (m *meter) began(a *attempt, size int) {
	first, waited := a == &a.x.first, a.x.waited(a.begun)
	switch {
	case a.x.isEvent():
		if first {
			m.eventWait.observe(waited)
		}
		return
	case first:
		m.wait.observe(waited)
	}
	m.bytesIn.Add(uint64(size))
}

// ended counts an attempt whose DONE has come.
func (m *meter) ended(a *attempt, took time.Duration, failed bool) {
	if !a.x.isEvent() {
		m.service.observe(took)
		return
	}
	m.eventService.observe(took)
	if !failed {
		m.eventsOf(a.x.kind).done.Add(1)
	}
}

func (m *meter) eventCounts() map[string]EventCounts {
	all := make(map[string]EventCounts, len(eventKinds))
	for t, name := range eventKinds {
		c := m.eventsOf(t)
		counts := EventCounts{Done: c.done.Load(), Retries: c.retries.Load(), Failures: map[string]uint64{}}
		for kind := protocol.FailedQueueFull; int(kind) < failureKinds; kind++ {
			if n := c.failures[kind].Load(); n > 0 {
				counts.Failures[kind.String()] = n
			}
		}
		all[name] = counts
	}
	return all
}
