// A stream is one request, or one event of a connection, in the hands of its handler: it owns the context, the body,
// the response or the acts, and the one DONE that it owes.

package sdk

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

type stream struct {
	link      *link
	id        uint32
	ctx       requestContext
	cancel    context.CancelCauseFunc
	opening   *protocol.Request // until run has read it; nil for an event
	event     protocol.Opening  // nil for a request
	conn      *Conn             // the event's
	task      *Task             // the event, if it is one
	body      requestBody
	response  response
	acts      acts
	remote    string // the client's address
	tunnelled bool   // guarded by link.mu
	tunnel    string // what the client asks to go on with, if the host allows it; "" is nothing

	// guards what follows, and what body says; never held while sending or while the user's code runs
	mu       sync.Mutex
	changed  sync.Cond // err, credit, body or a deadline has changed
	err      error     // why the stream ended early; sticks
	deaf     bool      // nothing more comes from the host
	credit   protocol.Credit
	writeBy  deadline
	hijacked *hijacked       // the handler's, once it has it
	hungUp   bool            // it has closed that
	locks    map[*Mutex]bool // those that end with the handler
}

// requests lends the reader a place to parse into; run gives it back.
var requests = sync.Pool{New: func() any { return new(protocol.Request) }}

// newStream is called by the reader: m's body is valid during the call only.
func newStream(l *link, m *protocol.Request) *stream {
	s := newBareStream(l, m.Stream, m.Attempt, m.ID)
	s.opening = m
	s.ctx.local, s.remote, s.tunnel = m.Local, m.Remote, m.Tunnel
	if 0 < m.Deadline && m.Deadline < math.MaxInt64/int64(time.Millisecond) {
		s.ctx.by = time.Now().Add(time.Duration(m.Deadline) * time.Millisecond)
	}
	s.body.open(s, m)
	s.response = response{s: s, length: -1, isHead: m.Method == http.MethodHead}
	return s
}

func newBareStream(l *link, id uint32, attempt int, name string) *stream {
	s := &stream{link: l, id: id, credit: protocol.Credit(l.window)}
	s.changed.L = &s.mu
	s.body.s = s
	ctx, cancel := context.WithCancelCause(context.Background())
	s.ctx = requestContext{Context: ctx, attempt: attempt, id: name, s: s}
	s.cancel = cancel
	return s
}

// run calls the handler and sends what is owed.
func (s *stream) run() {
	defer s.unlock()
	if s.event != nil {
		defer s.link.finished()
		s.handle()
		return
	}
	returned := false
	defer func() {
		if !s.settle(recover(), returned) {
			s.link.finished()
		}
	}()
	m := s.opening
	s.opening = nil
	handler := s.answering(m)
	if m.Scheme == protocol.SchemeHost {
		handler = http.HandlerFunc(answerHost)
	}
	r, err := newRequest(s, m)
	m.Body, m.Form, m.TLS = nil, nil, nil
	requests.Put(m)
	if err != nil {
		http.Error(&s.response, "Bad Request: "+err.Error(), http.StatusBadRequest)
	} else {
		handler.ServeHTTP(&s.response, r)
	}
	returned = true
}

// settle ends the stream after its handler: panicked is what it panicked with; neither that nor returned means
// runtime.Goexit. It says whether the stream goes on, as a hijacked connection.
func (s *stream) settle(panicked any, returned bool) (goesOn bool) {
	s.cancel(nil)
	staged := s.acts.close()
	if h := s.response.handOver(); h != nil {
		if !returned {
			s.tellFailure(panicked)
			_ = h.Close() // it may be closed already
		}
		return h.leave(staged)
	}
	s.body.shut()
	switch {
	case returned:
		s.response.finish(staged)
	case panicked == http.ErrAbortHandler:
		s.response.abort()
	default:
		s.response.fail(s.tellFailure(panicked))
	}
	return false
}

// tellFailure logs how a handler failed, and gives the trace; "" where there is none.
func (s *stream) tellFailure(panicked any) (trace string) {
	switch panicked {
	case http.ErrAbortHandler:
		return ""
	case nil:
		s.link.log("error", s.id, "the handler ended its goroutine with runtime.Goexit")
		return ""
	}
	stack := string(debug.Stack())
	s.link.log("error", s.id, fmt.Sprintf("panic: %v", panicked), "stack", stack)
	return fmt.Sprintf("panic: %v\n\n%s", panicked, stack)
}

// abort ends the stream early: whoever waits in it gets cause. The handler runs on until it notices.
func (s *stream) abort(cause error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = cause
	}
	s.changed.Broadcast()
	h := s.hijacked
	s.mu.Unlock()
	s.cancel(cause)
	if h != nil { // nobody may be looking at it
		time.AfterFunc(goneGrace, func() { _ = h.Close() })
	}
}

// hangUp has whoever waits for the hijacked connection know that it was closed. It says false if it was before.
func (s *stream) hangUp() bool {
	s.mu.Lock()
	was := s.hungUp
	s.hungUp = true
	s.changed.Broadcast()
	s.mu.Unlock()
	if !was {
		s.body.shut()
	}
	return !was
}

// deafen has those fail that wait for the host, now or later.
func (s *stream) deafen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = true
	s.changed.Broadcast()
}

// giveUp is abort with word to the host, which goes out before the handler wakes up and says DONE: after that it would
// be late, and dropped (§4.3). What the handler still sends in between is dropped, too (§4.6).
func (s *stream) giveUp(m *protocol.Reset) {
	if s.failure() != nil {
		return
	}
	_ = s.link.send(m) // a broken pipe ends the link, and with it this stream
	s.abort(fmt.Errorf("sdk: gave the request up: %s", m.Reason))
}

// failure says why the stream ended early, or nil.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// grant adds a WINDOW's bytes.
func (s *stream) grant(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
	return s.credit.Grant(s.id, n)
}

// takeCredit waits until at least one byte of want may be sent, and says how many may.
func (s *stream) takeCredit(want int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.writeBy.exceeded(s.err); err != nil {
			return 0, err
		}
		if s.hungUp {
			return 0, net.ErrClosed
		}
		if n := s.credit.Take(want); n > 0 {
			return n, nil
		}
		if s.deaf {
			return 0, ErrHostGone
		}
		s.changed.Wait()
	}
}

// deadline is one of a stream's two; the stream's mu guards it.
type deadline struct {
	timer   *time.Timer
	expired bool
}

// set moves the deadline; the zero time takes it away.
func (d *deadline) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	left := time.Until(t)
	d.expired = !t.IsZero() && left <= 0
	if d.expired {
		s.changed.Broadcast()
	}
	if d.expired || t.IsZero() {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.timer == timer { // not moved meanwhile
			d.expired = true
			s.changed.Broadcast()
		}
	})
	d.timer = timer
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
