// An event of a connection in the hands of its handler: from OPEN, MESSAGE, CLOSE or BUFFER to its DONE (SPEC.md §9).

package sdk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Refusal is the error with which OnOpen turns a client away: a WebSocket's client gets it as the answer to its
// request, any other is closed.
type Refusal struct {
	Status int // 200 to 599; 0 stands for 403
	Header http.Header
	Body   []byte // at most 64 KiB
}

// Refuse makes a [Refusal] that says why in plain text.
func Refuse(status int, text string) *Refusal {
	return &Refusal{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body: []byte(text + "\n")}
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("sdk: the connection was refused with status %d", r.Status)
}

func (r *Refusal) response(l *link, stream uint32) (*protocol.Response, error) {
	status := r.Status
	if status == 0 {
		status = http.StatusForbidden
	}
	pairs, facts := flatten(nil, r.Header, status)
	if facts.dropped != "" {
		return nil, errors.New("the refusal's header: " + facts.dropped)
	}
	if len(r.Body) > l.chunk {
		return nil, fmt.Errorf("the refusal's body has %d bytes; it may have %d", len(r.Body), l.chunk)
	}
	m := &protocol.Response{Stream: stream, Flags: last, Status: status, Headers: pairs, Body: r.Body}
	return m, m.Check()
}

// parseEvent reads an event; what it holds is its own. One of no connection has an empty one, as a datagram has.
func parseEvent(t protocol.Type, payload []byte) (protocol.Opening, *protocol.Connection, error) {
	payload = bytes.Clone(payload)
	switch t {
	case protocol.TypeOpen:
		m := new(protocol.Open)
		return m, &m.Connection, m.Parse(payload)
	case protocol.TypeMessage:
		m := new(protocol.Incoming)
		return m, &m.Connection, m.Parse(payload)
	case protocol.TypeClose:
		m := new(protocol.Close)
		return m, &m.Connection, m.Parse(payload)
	case protocol.TypeFetched:
		m := new(protocol.Fetched)
		return m, new(protocol.Connection), m.Parse(payload)
	case protocol.TypeTask:
		m := new(protocol.Task)
		return m, new(protocol.Connection), m.Parse(payload)
	}
	m := new(protocol.Buffer)
	return m, &m.Connection, m.Parse(payload)
}

// newEvent is called by the reader.
func newEvent(l *link, id uint32, m protocol.Opening, about *protocol.Connection) *stream {
	s := newBareStream(l, id, m.Attempts(), "")
	s.event = m
	s.conn = newConn(l, s, about, m.Attempts())
	s.ctx.trace = about.Trace
	switch m := m.(type) {
	case *protocol.Open:
		if m.Request != nil {
			s.ctx.id = m.Request.ID
			s.body.open(s, m.Request)
		}
	case *protocol.Incoming:
		s.body.open(s, &protocol.Request{Flags: m.Flags, Body: nil})
	case *protocol.Fetched:
		s.body.open(s, &protocol.Request{Flags: m.Flags, Body: nil})
	}
	return s
}

var errGoexit = errors.New("the handler ended its goroutine with runtime.Goexit")

// handle calls the event's handler and sends what is owed.
func (s *stream) handle() {
	failure := errGoexit // unless it returns
	var refusal *Refusal
	returned := false
	defer func() {
		if !returned {
			s.complain(failure)
		}
		s.settleEvent(failure, refusal)
	}()
	failure = s.deliver()
	returned = true
	if _, isOpen := s.event.(*protocol.Open); isOpen && errors.As(failure, &refusal) {
		failure = nil
	}
	if _, isMessage := s.event.(*protocol.Incoming); failure != nil && !isMessage {
		s.complain(failure)
	}
}

// settleEvent says DONE: with all that the handler has asked for, or with word that it failed.
func (s *stream) settleEvent(failure error, refusal *Refusal) {
	s.cancel(nil)
	s.body.shut()
	staged, err := s.closeEvent()
	if failure == nil && err != nil {
		failure = err
		s.complain(err)
	}
	done := &protocol.Done{Stream: s.id}
	var m protocol.Message = done
	if refusal != nil && failure == nil {
		if m, err = refusal.response(s.link, s.id); err != nil {
			failure = err
			s.complain(err)
		}
	}
	switch {
	case s.failure() != nil: // the host has given it up
		_ = s.sendDone(nil, done)
	case failure != nil:
		reset := &protocol.Reset{Stream: s.id, Code: protocol.ResetInternal, Reason: brief(failure.Error())}
		_ = s.sendDone(reset.AppendFrame(s.taskFailed(failure)), done)
	default:
		_ = s.sendDone(staged, m)
	}
	// a broken pipe has ended the link
}

// closeEvent ends the staging, with the session's changes for the last act.
func (s *stream) closeEvent() (staged []byte, err error) {
	a := &s.acts
	a.mu.Lock()
	defer a.mu.Unlock()
	if set, unset := s.conn.session.changedLocked(); len(set)+len(unset) > 0 {
		err = s.stageLocked(0, func(stream uint32, _ protocol.Flags, _ bool) (protocol.Message, error) {
			return &protocol.Set{Stream: stream, Set: set, Unset: unset}, nil
		})
	}
	if err == nil {
		err = s.stageSettle()
	}
	staged, a.frames, a.over = a.frames, nil, true
	return staged, err
}

// complain logs why a handler failed.
func (s *stream) complain(err error) {
	name, _ := s.event.Name()
	pairs := []string{"event", name}
	if s.conn.RemoteAddr != "" {
		pairs = append(pairs, "remote", s.conn.RemoteAddr)
	}
	var c *crash
	if errors.As(err, &c) {
		pairs = append(pairs, "stack", c.stack)
	}
	s.link.log("error", s.id, err.Error(), pairs...)
}

// brief is text that fits into a frame's corner.
func brief(text string) string {
	const room = 1 << 10
	if len(text) > room {
		text = strings.ToValidUTF8(text[:room], "") + "…"
	}
	return text
}

func (s *stream) deliver() error {
	w, c := &s.link.events, s.conn
	switch m := s.event.(type) {
	case *protocol.Open:
		if w.OnOpen == nil {
			return nil
		}
		var r *http.Request
		if m.Request != nil {
			var err error
			if r, err = newRequest(s, m.Request); err != nil {
				return Refuse(http.StatusBadRequest, "Bad Request: "+err.Error())
			}
			c.offer(r)
		}
		return guard(func() error { return w.OnOpen(&s.ctx, c, r) })
	case *protocol.Incoming:
		if w.OnMessage == nil {
			return nil
		}
		return s.messages(m)
	case *protocol.Close:
		if w.OnClose == nil {
			return nil
		}
		if err := c.session.upgrade(&s.ctx); err != nil {
			return err
		}
		return guard(func() error {
			return w.OnClose(&s.ctx, c, Closing{Code: m.Code, Reason: m.Reason, Clean: m.Clean})
		})
	case *protocol.Buffer:
		if w.OnBuffer == nil {
			return nil
		}
		if err := c.session.upgrade(&s.ctx); err != nil {
			return err
		}
		return guard(func() error { return w.OnBuffer(&s.ctx, c, m.Full, m.Bytes) })
	case *protocol.Fetched:
		if w.OnFetched == nil {
			return nil
		}
		return s.fetched(m)
	case *protocol.Task:
		return s.runTask(m)
	}
	return nil
}

// messages handles those that travel together, in order. What a handler that failed has done is undone, and what the
// others did stays: the event fails only if all of them have.
func (s *stream) messages(m *protocol.Incoming) error {
	data, ok := s.rest(m.Bytes, m.Whole())
	if !ok {
		return nil
	}
	if err := s.conn.session.upgrade(&s.ctx); err != nil {
		s.complain(err)
		return err
	}
	failed, err := 0, s.message(data, m.Flags, m.About)
	if err != nil {
		failed++
	}
	for _, later := range m.More {
		if s.failure() != nil {
			return nil
		}
		if e := s.message(later.Bytes, later.Flags, later.About); e != nil {
			failed++
			err = e
		}
	}
	if failed <= len(m.More) {
		return nil
	}
	return err
}

// rest gives what came with an event, and the DATA that follows unless it is whole. ok is false if the host has given
// the event up, as it knows.
func (s *stream) rest(first []byte, whole bool) (all []byte, ok bool) {
	if whole {
		return first, true
	}
	rest, err := io.ReadAll(&s.body)
	if err != nil {
		return nil, false
	}
	return append(first[:len(first):len(first)], rest...), true
}

// message handles one. If that fails, what it did is undone.
func (s *stream) message(data []byte, flags protocol.Flags, about []string) error {
	before := s.conn.save()
	m := Message{Data: data, Binary: flags&protocol.FlagBinary != 0}
	for i := 0; i+1 < len(about); i += 2 {
		switch about[i] {
		case protocol.AboutEvent:
			m.Event = about[i+1]
		case protocol.AboutID:
			m.ID = about[i+1]
		}
	}
	err := guard(func() error { return s.link.events.OnMessage(&s.ctx, s.conn, m) })
	if err != nil {
		s.conn.restore(before)
		s.complain(err)
	}
	return err
}

// crash is a panic as an error.
type crash struct {
	value any
	stack string
}

// Error implements error.
func (c *crash) Error() string { return fmt.Sprintf("panic: %v", c.value) }

func guard(handler func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &crash{v, string(debug.Stack())}
		}
	}()
	return handler()
}
