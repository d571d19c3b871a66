// The spans of events. An OPEN's is below the request that led to it; all others begin traces of their own, since a
// connection may stay for weeks, with a link to what opened it.

package hub

import (
	"net"
	"strings"
	"time"

	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// Under says which span the client's request has that the connection comes from: before Open, or at once after Hold.
func (c *Connection) Under(s *trace.Span) {
	if !s.Traced() {
		return
	}
	c.mu.Lock()
	c.some().opened = *s
	c.mu.Unlock()
}

// course is the span of an event on its way, if that is sampled.
type course struct {
	span      trace.Span
	submitted time.Time
	begun     time.Time // zero: no worker had it
	attempts  int       // how many workers had it
	stream    protocol.Stream
}

// follow begins the span of an event that is about to be submitted, and has its worker told.
func (e *event) follow(tracer *trace.Tracer) {
	if tracer == nil {
		return
	}
	c, above := e.c, e.c.above()
	var s trace.Span
	about := e.about()
	switch _, opens := e.Request.(*protocol.Open); {
	case !opens:
		s = tracer.After(above)
	case above != nil:
		s = tracer.Start(above.Context)
	default:
		s = tracer.Start(trace.Context{})
		c.Under(&s)
	}
	about.Trace = s.Pairs()
	e.TraceID = s.Hex()
	if s.Sampled {
		e.course = &course{span: s, submitted: time.Now()}
	}
}

// follow begins the span of a datagram that is about to be submitted, likewise.
func (d *datagram) follow() {
	if d.terms.Tracer == nil {
		return
	}
	s := d.terms.Tracer.Start(trace.Context{})
	d.incoming.Connection.Trace, d.exchange.TraceID = s.Pairs(), s.Hex()
	if s.Sampled {
		d.course = &course{span: s, submitted: time.Now()}
	}
}

// about is what the event tells of its connection.
func (e *event) about() *protocol.Connection {
	switch m := e.Request.(type) {
	case *protocol.Open:
		return &m.Connection
	case *protocol.Close:
		return &m.Connection
	case *protocol.Buffer:
		return &m.Connection
	}
	return &e.incoming.Connection
}

// begins notes that a worker has it.
func (w *course) begins(s protocol.Stream) {
	if w != nil {
		w.begun, w.stream = time.Now(), s
		w.attempts++
	}
}

// end tells what came of the event of a connection, which may be a datagram's that c does not know.
func (w *course) end(c *Connection, card *Card, t *Terms, m protocol.Opening, failure *protocol.Failure) {
	if w == nil {
		return
	}
	now := time.Now()
	r := w.span.Record(w.submitted)
	r.Ended, r.Kind = now, trace.Consumer
	name, id := m.Name()
	r.Name, _, _ = strings.Cut(name, " from ")
	if c != nil {
		r.Name = strings.TrimSuffix(r.Name, " "+id)
		if above := c.above(); above != nil && above.Sampled && above.TraceID != w.span.TraceID {
			r.Link = above.Context
		}
	}
	a := &r.Attributes
	a.Word("network.protocol.name", card.Protocol)
	if host, _, err := net.SplitHostPort(card.Remote); err == nil {
		a.Word("client.address", host)
	}
	a.Word("workerhost.connection", id)
	a.Word("workerhost.listener", card.Listener)
	a.Word("workerhost.pool", t.Backend.Traits().Pool)
	if in, ok := m.(*protocol.Incoming); ok {
		a.Whole("workerhost.messages", int64(1+len(in.More)))
		a.Whole("messaging.message.body.size", int64(in.Size()))
	}
	if w.begun.IsZero() {
		a.Millis("workerhost.wait_ms", now.Sub(w.submitted))
	} else {
		a.Millis("workerhost.wait_ms", w.begun.Sub(w.submitted))
		a.Millis("workerhost.work_ms", now.Sub(w.begun))
		slot, generation := w.stream.Worker()
		a.Whole("workerhost.worker", int64(slot))
		a.Whole("workerhost.generation", int64(generation))
		a.Whole("workerhost.attempts", int64(w.attempts))
	}
	if failure != nil {
		r.Failed, r.Fault = true, failure.Kind.String()
		a.Word("error.type", r.Fault)
	}
	w.span.End(r)
}

// above is the span that led to the connection; nil is none.
func (c *Connection) above() *trace.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.few == nil || !c.few.opened.Traced() {
		return nil
	}
	return &c.few.opened
}
