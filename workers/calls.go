// Calls: questions that a worker asks the hub, answered at once by the goroutine that reads its frames (SPEC.md §10.4).

package workers

import (
	"fmt"

	"github.com/workerhost/workerhost/protocol"
)

// ledger is the reader's account of a worker's CALLs and SWAPs.
type ledger struct {
	last  uint32                   // the latest stream
	marks [protocol.MaxCalls]int64 // where on the link the answers end that the worker may not have read; a ring
	first int
	count int
}

// admit takes a call's stream, and refuses one whose worker has too many unanswered: an answer counts once the worker has read it (SPEC.md §10.5). read is how much of the
// link it has, and is asked only when it matters, as it takes a system call; accepted and written are the link's.
func (c *ledger) admit(t protocol.Type, stream uint32, accepted, written int64, read func() int64) error {
	if stream%2 != 0 || stream <= c.last {
		return &protocol.LinkError{Expected: fmt.Sprintf("a call on an even stream above %d", c.last), Got: fmt.Sprintf("%s on stream %d", t, stream)}
	}
	c.last = stream
	if c.count == len(c.marks) {
		for taken := read(); c.count > 0 && c.marks[c.first] <= taken; c.count-- {
			c.first = (c.first + 1) % len(c.marks)
		}
	}
	if c.count == len(c.marks) || c.backed(written) && accepted-written > protocol.MaxStaged {
		return &protocol.LinkError{
			Expected: fmt.Sprintf("at most %d CALLs and SWAPs whose RESULT is unread", len(c.marks)), Got: fmt.Sprintf("%s on stream %d, with too many before it", t, stream),
		}
	}
	return nil
}

// backed says that the last answer has not gone out yet.
func (c *ledger) backed(written int64) bool {
	return c.count > 0 && c.marks[(c.first+c.count-1)%len(c.marks)] > written
}

// hasRead is how many bytes of the link the worker has read, or may have.
func (w *worker) hasRead() int64 {
	unread := w.process.unread()
	accepted, written := w.conn.Sent() // after it: what goes out in between makes too much of this, and never too little
	if unread < 0 || accepted != written {
		return written
	}
	return written - int64(unread)
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
	if err := w.calls.admit(t, stream, accepted, written, w.hasRead); err != nil {
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
