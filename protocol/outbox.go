// Sending without ever waiting: a frame goes straight into the pipe if it fits, and otherwise into a queue that a
// goroutine of its own empties. Flow control bounds what it holds of bodies, and maxAnswers what it holds of the rest.

package protocol

import (
	"fmt"
	"io"
	"math"
	"sync"
)

// TryWriter is a writer that can also write just what goes without waiting.
type TryWriter interface {
	io.Writer
	// TryWrite returns how much of p was taken at once; less than all of it means that the rest would have to wait.
	TryWrite(p []byte) (n int, err error)
}

type outbox struct {
	w   io.Writer
	try TryWriter // w, if it can

	mu       sync.Mutex
	scratch  []byte
	rest     []byte // of a frame that is half written: goes first
	control  []byte // whole frames that overtake data
	data     []byte
	answers  int  // bytes of frames that a peer can provoke, queued since it last took something
	flushing bool // the flusher runs; set under mu, cleared by the flusher
	corked   bool // frames wait for uncork
	err      error
	idle     sync.Cond // signalled when the flusher has written something, and when it ends

	accepted, written int64 // bytes
}

// Sent says how many bytes of frames have been accepted since the link began, and how many of them the pipe has taken.
func (c *Conn) Sent() (accepted, written int64) {
	o := c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accepted, o.written
}

func newOutbox(w io.Writer) *outbox {
	o := &outbox{w: w}
	o.try, _ = w.(TryWriter)
	o.idle.L = &o.mu
	return o
}

// overtakes says which messages may go before queued DATA: those that carry no order within a stream, and REQUEST and
// events, which open one. CALL and SWAP keep their place, so that they see what was asked for before them (SPEC.md
// §10.1), and RESULT, so that its sender can tell from [Conn.Sent] whether it was taken.
func overtakes(t Type) bool {
	switch t {
	case TypeResponse, TypeInform, TypeData, TypeReset, TypeDone, TypeCall, TypeSwap, TypeResult:
		return false
	}
	return !t.Act()
}

// keepScratch is what the frames of a stream's window take: less would be made anew for each of a large body's.
const keepScratch = DefaultWindow + 64<<10

// maxAnswers bounds PONG, WINDOW, RESET and the like, which a peer that sends but never reads would let pile up for
// ever.
const maxAnswers = 1 << 20

// bounded says which messages maxAnswers counts. The others are bounded by windows, by concurrency and by [MaxCalls],
// and LOG and acts by their writer.
func bounded(t Type) bool {
	switch t {
	case TypeRequest, TypeResponse, TypeInform, TypeData, TypeLog, TypeOpen, TypeMessage, TypeClose, TypeBuffer,
		TypeTask, TypeCall, TypeSwap, TypeResult:
		return false
	}
	return !t.Act()
}

// send never waits for the peer. An error is the pipe's, and sticks.
func (o *outbox) send(m Message) error {
	_, err := o.put(m)
	return err
}

// put is send; end is what has been accepted with m.
func (o *outbox) put(m Message) (end int64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.accepted, o.err
	}
	if o.flushing || o.corked {
		o.queue(m)
		return o.accepted, o.err
	}
	frame := m.AppendFrame(o.scratch[:0])
	if cap(frame) <= keepScratch {
		o.scratch = frame
	}
	o.accepted += int64(len(frame))
	return o.accepted, o.write(frame)
}

// write writes what goes at once, and leaves the rest to the flusher. Under mu, while the flusher does not run.
func (o *outbox) write(frames []byte) error {
	n := 0
	if o.try != nil {
		n, o.err = o.try.TryWrite(frames)
		if o.written += int64(n); o.err != nil || n == len(frames) {
			return o.err
		}
	}
	o.rest = append(o.rest[:0], frames[n:]...)
	o.flushing = true
	go o.flush() // ends when the queue is empty or the pipe breaks; Conn.Flush waits for it
	return nil
}

func (o *outbox) cork() {
	o.mu.Lock()
	o.corked = true
	o.mu.Unlock()
}

func (o *outbox) uncork() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.corked = false
	if o.flushing || o.err != nil || len(o.control)+len(o.data) == 0 {
		return o.err // the flusher takes what has been queued
	}
	frames := append(o.control, o.data...)
	o.control, o.data, o.answers = frames[:0], o.data[:0], 0
	return o.write(frames)
}

// queue is send while the flusher runs.
func (o *outbox) queue(m Message) {
	to := &o.data
	if overtakes(m.Type()) {
		to = &o.control
	}
	before := len(*to)
	*to = m.AppendFrame(*to)
	o.accepted += int64(len(*to) - before)
	if !bounded(m.Type()) {
		return
	}
	if o.answers += len(*to) - before; o.answers > maxAnswers {
		o.err = &LinkError{Expected: "a peer that reads",
			Got: fmt.Sprintf("%d bytes of control frames that it has not taken", o.answers)}
		o.control, o.data = nil, nil
	}
}

func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var spare []byte
	for o.err == nil {
		var next []byte
		switch {
		case len(o.rest) > 0:
			next, o.rest = o.rest, spare[:0]
		case len(o.control) > 0:
			next, o.control = o.control, spare[:0]
		case len(o.data) > 0:
			next, o.data = o.data, spare[:0]
		}
		if len(next) == 0 {
			break
		}
		o.mu.Unlock()
		n, err := o.w.Write(next)
		o.mu.Lock()
		o.written += int64(n)
		o.idle.Broadcast()
		o.answers = 0
		if o.err == nil {
			o.err = err
		}
		if spare = next; cap(spare) > keepScratch {
			spare = nil
		}
	}
	if o.err != nil {
		o.rest, o.control, o.data = nil, nil, nil
	}
	o.flushing = false
	o.idle.Broadcast()
}

// wait returns when nothing is queued any more, or the pipe has broken.
func (o *outbox) wait() error { return o.waitFor(math.MaxInt64) }

// waitFor is wait that returns as well when so much has been written.
func (o *outbox) waitFor(written int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.flushing && o.written < written {
		o.idle.Wait()
	}
	return o.err
}
