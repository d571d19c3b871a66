// Calls: questions of a worker, which are answered at once or later, from any goroutine (SPEC.md §10.4).

package workers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// ledger is the account of a worker's CALLs and SWAPs. mu is taken while nothing else is locked, and held while a
// RESULT is sent.
type ledger struct {
	last uint32 // the latest stream; the reader's own

	mu sync.Mutex
	// guarded by mu
	marks     [protocol.MaxCalls]int64 // where on the link the answers end that the worker may not have read; a ring
	first     int
	count     int
	open      map[uint32]call // without an answer, or with one that goes in pieces; nil once the link has ended
	abandoned int             // those of open whose worker has its answer: their method runs on
	owed      int             // bytes of values that go in pieces
	err       error           // of the worker that never reads what it is sent
	life      context.Context // ends with the link; nil until somebody asks for it
	leave     context.CancelCauseFunc
}

// call is one that has not been answered.
type call struct {
	ctx     context.Context // nil until somebody asks for it
	cancel  context.CancelCauseFunc
	timer   *time.Timer      // ends it; nil: it has as long as it takes
	over    bool             // its worker has an answer; the method's is dropped
	inParts bool             // its answer is being sent
	verdict *protocol.Result // what takes the place of the parts that were not sent
}

// release stops what runs for a call, for the reason given.
func (q *call) release(why error) {
	if q.timer != nil {
		q.timer.Stop()
	}
	if q.cancel != nil {
		q.cancel(why)
	}
}

// Why a call's context ends.
var (
	errAnswered   = errors.New("the call has been answered")
	errWorkerGone = errors.New("the worker that called is gone")
)

// admit takes a call's stream, and refuses one whose worker has too many unanswered: an answer counts once the
// worker has read it (SPEC.md §10.5). read is how much of the link it has, and is asked only when it matters, as
// it takes a system call; accepted and written are the link's. Under mu.
func (c *ledger) admit(t protocol.Type, stream uint32, accepted, written int64, read func() int64) error {
	if stream%2 != 0 || stream <= c.last {
		return &protocol.LinkError{
			Expected: fmt.Sprintf("a call on an even stream above %d", c.last),
			Got:      fmt.Sprintf("%s on stream %d", t, stream),
		}
	}
	c.last = stream
	if c.unanswered() >= len(c.marks) {
		for taken := read(); c.count > 0 && c.marks[c.first] <= taken; c.count-- {
			c.first = (c.first + 1) % len(c.marks)
		}
	}
	if c.unanswered() >= len(c.marks) || c.backed(written) && accepted-written > protocol.MaxStaged {
		return &protocol.LinkError{
			Expected: fmt.Sprintf("at most %d CALLs and SWAPs whose RESULT is unread", len(c.marks)),
			Got:      fmt.Sprintf("%s on stream %d, with too many before it", t, stream),
		}
	}
	c.open[stream] = call{}
	return nil
}

// unanswered is how many calls the worker waits for, or may not have read the answers of. Under mu.
func (c *ledger) unanswered() int { return len(c.open) - c.abandoned + c.count }

// backed says that the last answer has not gone out yet. Under mu.
func (c *ledger) backed(written int64) bool {
	return c.count > 0 && c.marks[(c.first+c.count-1)%len(c.marks)] > written
}

// answered notes that a call's answer ends at mark. Answers are noted in the order in which they are sent,
// whatever that of the calls. Under mu.
func (c *ledger) answered(mark int64) {
	c.marks[(c.first+c.count)%len(c.marks)] = mark
	c.count++
}

// hasRead is how many bytes of the link the worker has read, or may have.
func (w *worker) hasRead() int64 {
	unread := w.process.Unread()
	// after it: what goes out in between makes too much of this, and never too little
	accepted, written := w.conn.Sent()
	if unread < 0 || accepted != written {
		return written
	}
	return written - int64(unread)
}

// onCall has a CALL or a SWAP answered.
func (w *worker) onCall(m *messages, t protocol.Type, stream uint32, payload []byte) error {
	if !w.reader.greeted {
		return &protocol.LinkError{Expected: "READY before any call", Got: t.String()}
	}
	if t == protocol.TypeCall {
		if err := m.call.Parse(payload); err != nil {
			return err
		}
	} else if err := m.swap.Parse(payload); err != nil {
		return err
	}
	c := &w.calls
	accepted, written := w.conn.Sent()
	c.mu.Lock()
	err := c.admit(t, stream, accepted, written, w.hasRead)
	crowded := c.abandoned >= protocol.MaxCalls
	c.mu.Unlock()
	if err != nil {
		return err
	}
	hub, to := w.gen.settings.Hub, protocol.NewCaller(w, stream)
	switch {
	case hub == nil:
		to.Fail(protocol.CallUnimplemented, "nothing here keeps connections")
	case crowded:
		to.Fail(protocol.CallUnavailable, "%d calls that this worker has given up are still under way",
			protocol.MaxCalls)
	case w.commits.some.Load() > 0:
		w.askLater(m, t, to, len(payload))
	case t == protocol.TypeCall:
		hub.Call(&m.call, to)
	default:
		hub.Swap(&m.swap, to)
	}
	if t == protocol.TypeCall && m.call.Timeout > 0 {
		w.endCallAfter(stream, m.call.Timeout)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// askLater asks once all that the worker wrote before is in effect, unless nobody waits for the answer any more.
func (w *worker) askLater(m *messages, t protocol.Type, to protocol.Caller, size int) {
	stream, hub := w.calls.last, w.gen.settings.Hub
	call, swap := m.call, m.swap
	asked := w.commits.after(size, func() {
		switch {
		case !w.calls.waits(stream):
			to.Reply(new(protocol.Result)) // it has had its answer
		case t == protocol.TypeCall:
			hub.Call(&call, to)
		default:
			hub.Swap(&swap, to)
		}
	})
	if !asked {
		to.Fail(protocol.CallUnavailable, "too much waits for acts that have yet to take effect")
	}
}

// waits says whether the worker still waits for an answer on the stream.
func (c *ledger) waits(stream uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.open[stream]
	return ok && !q.over
}

// Reply implements [protocol.Desk].
func (w *worker) Reply(stream uint32, r *protocol.Result) {
	c := &w.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.open[stream]
	switch {
	case !ok || q.inParts:
		return
	case q.over:
		delete(c.open, stream)
		c.abandoned--
		return
	}
	q.release(errAnswered)
	r.More = false
	if len(r.Value) > maxWhole {
		w.replyInPieces(stream, r)
		return
	}
	delete(c.open, stream)
	w.sendResult(stream, r)
}

// sendResult sends what counts as the call's answer. Under calls.mu.
func (w *worker) sendResult(stream uint32, r *protocol.Result) {
	r.Stream = stream
	mark, err := w.conn.SendCounted(r)
	w.calls.answered(mark)
	w.calls.err = unread(err)
}

// Waiting implements [protocol.Desk].
func (w *worker) Waiting(stream uint32) context.Context {
	c := &w.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.open[stream]
	if ok && q.ctx != nil {
		return q.ctx
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	if !ok || q.over || q.inParts {
		cancel(errAnswered)
		return ctx
	}
	q.ctx, q.cancel = ctx, cancel
	c.open[stream] = q
	return ctx
}

// Asker tells of the worker as it asks; see [protocol.Caller.Asker].
func (w *worker) Asker() protocol.Asker {
	return protocol.Asker{Generation: w.gen.number, Terms: w.gen.settings.Terms, Events: w.offer.ready.Events()}
}

// Life ends with the link; see [protocol.Caller.Worker].
func (w *worker) Life() context.Context {
	c := &w.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		c.life, c.leave = context.WithCancelCause(context.Background())
		if c.open == nil {
			c.leave(errWorkerGone)
		}
	}
	return c.life
}

// endCallAfter gives a call that has not been answered so many milliseconds.
func (w *worker) endCallAfter(stream uint32, timeout int64) {
	c := &w.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.open[stream]
	if !ok || q.over || q.inParts {
		return
	}
	after := time.Duration(min(timeout, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	q.timer = time.AfterFunc(after, func() { // released with the call
		w.endCall(stream, protocol.CallDeadlineExceeded, fmt.Sprintf("there was no answer within %d ms", timeout))
	})
	c.open[stream] = q
}

// onCancel is a RESET for a call: its worker waits no more. It may have crossed the answer.
func (w *worker) onCancel(m *protocol.Reset) error {
	if m.Stream > w.calls.last {
		got := fmt.Sprintf("it on stream %d", m.Stream)
		return &protocol.LinkError{Expected: "RESET of a stream that was opened", Got: got}
	}
	w.endCall(m.Stream, protocol.CallCancelled, "the worker gave the call up")
	return nil
}

// endCall answers a call in the place of its method, which may run on, or of the pieces of its answer that have
// not been sent.
func (w *worker) endCall(stream uint32, code protocol.CallCode, why string) {
	c := &w.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	q, ok := c.open[stream]
	if !ok || q.over {
		return
	}
	r := &protocol.Result{Code: code, Error: why}
	if q.inParts {
		q.verdict = r
	} else {
		q.over = true
		c.abandoned++
		w.sendResult(stream, r)
		q.release(errors.New(why))
	}
	c.open[stream] = q
}

// endCalls is the end of the link: nobody waits any more.
func (w *worker) endCalls() {
	c := &w.calls
	c.mu.Lock()
	open, leave := c.open, c.leave
	c.open = nil
	c.mu.Unlock()
	if leave != nil {
		leave(errWorkerGone)
	}
	for _, q := range open {
		q.release(errWorkerGone)
	}
}
