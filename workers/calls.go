// Calls: questions that a worker asks the hub, answered at once by the goroutine that reads its frames (SPEC.md §10.4).

package workers

import (
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

// ledger is the reader's account of a worker's CALLs and SWAPs.
type ledger struct {
	last  uint32                   // the latest stream
	marks [protocol.MaxCalls]int64 // where on the link the answers end that the worker may not have taken; a ring
	first int
	count int
}

// admit takes a call's stream, and refuses one whose worker leaves its answers unread. accepted and written are the link's.
func (c *ledger) admit(t protocol.Type, stream uint32, accepted, written int64) error {
	if stream%2 != 0 || stream <= c.last {
		return &protocol.LinkError{Expected: fmt.Sprintf("a call on an even stream above %d", c.last), Got: fmt.Sprintf("%s on stream %d", t, stream)}
	}
	c.last = stream
	for c.count > 0 && c.marks[c.first] <= written {
		c.first, c.count = (c.first+1)%len(c.marks), c.count-1
	}
	if c.count == len(c.marks) || c.count > 0 && accepted-written > protocol.MaxStaged {
		return &protocol.LinkError{Expected: "a worker that reads the answers to its calls", Got: fmt.Sprintf("%s with %d answers unread", t, c.count)}
	}
	return nil
}

// answered notes that the answer to the call that was admitted last ends at accepted.
func (c *ledger) answered(accepted int64) {
	c.marks[(c.first+c.count)%len(c.marks)] = accepted
	c.count++
}

// maxResult is the longest value of a RESULT, so that its frame is within every worker's limit.
const maxResult = protocol.MaxFrame - 1024

// onCall answers a CALL or a SWAP.
func (w *worker) onCall(m *messages, t protocol.Type, stream uint32, payload []byte) error {
	if !w.greeted {
		return &protocol.LinkError{Expected: "READY before any call", Got: t.String()}
	}
	accepted, written := w.conn.Sent()
	if err := w.calls.admit(t, stream, accepted, written); err != nil {
		return err
	}
	hub := w.gen.settings.Hub
	var result *protocol.Result
	switch {
	case t == protocol.TypeCall:
		if err := m.call.Parse(payload); err != nil {
			return err
		}
		if hub != nil {
			result = hub.Call(&m.call)
		}
	default:
		if err := m.swap.Parse(payload); err != nil {
			return err
		}
		if hub != nil && w.gen.trial {
			result = &protocol.Result{Error: "this worker is on trial: it must not change what is live"}
		} else if hub != nil {
			result = hub.Swap(&m.swap)
		}
	}
	switch {
	case result == nil:
		result = &protocol.Result{Error: "nothing here keeps connections"}
	case len(result.Value) > maxResult:
		result = &protocol.Result{Error: fmt.Sprintf("the answer has %d bytes, and a frame takes %d: ask for less", len(result.Value), maxResult)}
	}
	result.Stream = stream
	err := unread(w.conn.Send(result))
	accepted, _ = w.conn.Sent()
	w.calls.answered(accepted)
	return err
}
