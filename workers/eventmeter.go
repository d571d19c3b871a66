// The meter's part for events of connections, which are counted apart from requests.

package workers

import (
	"maps"
	"sync/atomic"

	"github.com/workerhost/workerhost/protocol"
)

// EventCounts are how the events of one kind went.
type EventCounts struct {
	Done     uint64            // a worker has run all of its code for them
	Retries  uint64            // delivered once more after their worker died, or was cut at the drain deadline
	Failures map[string]uint64 // given up, by why, where there are any; "reset by worker" is a handler that failed
}

// eventKinds names the kinds of events in [Counts], by their type.
var eventKinds = map[protocol.Type]string{
	protocol.TypeOpen: "open", protocol.TypeMessage: "message", protocol.TypeClose: "close",
	protocol.TypeBuffer: "buffer", protocol.TypeFetched: "fetched",
	protocol.TypeTask: "task",
}

type eventCounter struct {
	done, retries atomic.Uint64
	failures      failures
}

// eventsOf gives the counter of a kind of events.
func (c *counts) eventsOf(kind protocol.Type) *eventCounter {
	switch kind {
	case protocol.TypeFetched:
		return &c.events[len(c.events)-2]
	case protocol.TypeTask:
		return &c.events[len(c.events)-1]
	}
	return &c.events[kind-protocol.TypeOpen]
}

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

func (c *counts) eventCounts() map[string]EventCounts {
	all := make(map[string]EventCounts, len(eventKinds))
	for t, name := range eventKinds {
		e := c.eventsOf(t)
		all[name] = EventCounts{Done: e.done.Load(), Retries: e.retries.Load(), Failures: e.failures.snapshot()}
		maps.DeleteFunc(all[name].Failures, func(_ string, n uint64) bool { return n == 0 })
	}
	return all
}
