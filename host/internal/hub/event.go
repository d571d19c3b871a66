// Events: one of a connection is under way at a time; the next is submitted when it has finished.

package hub

import (
	"sync"
	"sync/atomic"

	"github.com/workerhost/workerhost/protocol"
)

// At most so much travels together.
const (
	maxTogether = 64
	maxBytes    = protocol.MaxData
)

// event is an event that a backend has. It implements [protocol.Sink].
type event struct {
	protocol.Exchange
	c        *Connection
	terms    *Terms
	refs     atomic.Int32 // of the pump and of the backend: it is reused after both
	incoming protocol.Incoming
	first    []byte // a MESSAGE's first message, whole
	repay    func() // what first's memory is on loan from; nil if it is not
	sent     int    // of first
	stream   protocol.Stream
	failure  *protocol.Failure
	refusal  *protocol.Response // OPEN's
	course   *course            // nil: its span is not sampled
}

var events = sync.Pool{New: func() any {
	e := new(event)
	e.Sink = e
	return e
}}

func (c *Connection) event(t *Terms, request protocol.Opening, repeatable bool) *event {
	e := events.Get().(*event)
	e.c, e.terms, e.Subject, e.Repeatable, e.Patient = c, t, c, repeatable, true
	e.Request = request
	e.refs.Store(2)
	return e
}

func (e *event) release() {
	if e.refs.Add(-1) > 0 {
		return
	}
	if e.repay != nil {
		e.repay()
	}
	later := e.incoming.More
	clear(later)
	*e = event{}
	e.Sink = e
	e.incoming.More = later[:0]
	events.Put(e)
}

// view is the connection as an event tells of it.
func (c *Connection) view() protocol.Connection {
	st := c.state.Load()
	return protocol.Connection{
		ID: c.id, Protocol: c.card.Protocol, Remote: c.card.Remote, Listener: c.card.Listener,
		UID: st.uid, Groups: st.groups, Session: st.session, Dial: c.Terms().Dial,
	}
}

// pump submits the events that are due, one at a time. There is one pump of a connection at a time: an event that
// finishes while its Submit has not returned leaves the next one to the pump that submitted it, so that nothing
// recurs.
func (c *Connection) pump() {
	c.mu.Lock()
	if c.turn != resting || c.life == over {
		c.mu.Unlock()
		return
	}
	move(&c.turn, pumping, &turnMoves)
	for c.turn == pumping && c.due() {
		t := c.Terms()
		c.mu.Unlock()
		traits := t.Backend.Traits()
		c.mu.Lock()
		e := c.next(t, &traits)
		if e == nil {
			continue
		}
		move(&c.turn, submitting, &turnMoves)
		c.handles = e.kind()
		c.mu.Unlock()
		e.follow(t.Tracer)
		t.Backend.Submit(&e.Exchange)
		e.release()
		c.mu.Lock()
	}
	if c.turn == pumping {
		move(&c.turn, resting, &turnMoves)
	} else {
		move(&c.turn, awaiting, &turnMoves)
	}
	done, finished, l, rests := c.life == over, c.finished(), c.ending, c.custody == packed
	c.mu.Unlock()
	if rests {
		c.hub.gate.rouse()
	}
	switch {
	case done:
		c.hub.forget(c)
	case finished:
		c.hangup(l.code, l.reason, true)
	}
}

// due says whether next would do something. c.mu is held.
func (c *Connection) due() bool {
	switch {
	case c.life == over, c.custody != ours:
		return false
	case c.life == gone:
		return c.opening == nil
	}
	return c.flows() && (c.outlet.full != c.outlet.told || len(c.inbox.messages) > 0)
}

// next takes the event that is to be submitted; nil if it came to nothing. c.mu is held, and due was true.
func (c *Connection) next(t *Terms, traits *protocol.Traits) *event {
	again := !traits.AtMostOnce
	switch {
	case !c.due():
		return nil
	case c.life < gone && c.outlet.full != c.outlet.told:
		c.outlet.told = c.outlet.full
		if !traits.Events.Buffer {
			return nil
		}
		return c.event(t, &protocol.Buffer{Connection: c.view(), Full: c.outlet.full, Bytes: c.queued()}, again)
	case len(c.inbox.messages) > 0 && c.outlet.line != unopened:
		if !traits.Events.Message {
			c.inbox.drop()
			c.inbox.makeRoom()
			return nil
		}
		return c.nextMessage(t, again)
	}
	of := c.bequest()
	if c.outlet.line == unopened || !traits.Events.Close || of.disowned {
		move(&c.life, over, &lifeMoves)
		return nil
	}
	l := c.ending
	c.ending = nil
	m := &protocol.Close{Connection: c.view(), Code: l.code, Reason: l.reason, Clean: l.clean}
	if of.inherited {
		m.Attempt = 2
	}
	// CLOSE is delivered, whatever the pool's delivery is.
	return c.event(t, m, true)
}

// nextMessage takes a message from the inbox, and small ones that wait behind it. Without again they go one by one:
// what is dropped with a worker should be one message.
func (c *Connection) nextMessage(t *Terms, again bool) *event {
	e := c.event(t, nil, again)
	e.Request = &e.incoming
	m := c.inbox.take()
	e.first, e.repay = m.data, m.repay
	e.incoming = protocol.Incoming{Flags: flags(m.binary), Connection: c.view(), Attempt: m.attempt, Bytes: m.data,
		More: e.incoming.More[:0], About: m.aboutIt()}
	defer c.inbox.tookSome()
	if len(m.data) > protocol.MaxData {
		e.incoming.Bytes = m.data[:protocol.MaxData]
		return e
	}
	e.incoming.Flags |= protocol.FlagEnd
	for size := len(m.data); again && !m.alone && m.repay == nil && len(c.inbox.messages) > 0 &&
		len(e.incoming.More) < maxTogether-1; {
		later := &c.inbox.messages[0]
		// one that has a loan keeps it until its own event is done
		if size += len(later.data); size > maxBytes || later.alone || later.repay != nil {
			break
		}
		m := c.inbox.take()
		e.incoming.More = append(e.incoming.More, protocol.Later{Flags: flags(m.binary), Bytes: m.data,
			About: m.aboutIt()})
	}
	return e
}

// tookSome follows the taking of messages. The connection's mu is held.
func (i *inbox) tookSome() {
	if len(i.messages) == 0 {
		i.messages = nil
	}
	i.makeRoom()
}

func (i *inbox) take() message {
	m := i.messages[0]
	i.messages[0] = message{}
	i.messages = i.messages[1:]
	i.waits -= int64(len(m.data)) + overhead
	return m
}

func flags(binary bool) protocol.Flags {
	if binary {
		return protocol.FlagBinary
	}
	return 0
}

// Begin implements [protocol.Sink].
func (e *event) Begin(s protocol.Stream) {
	e.stream, e.sent, e.refusal = s, protocol.MaxData, nil
	e.course.begins(s)
	e.Writable()
}

// Writable implements [protocol.Sink].
func (e *event) Writable() {
	for e.sent < len(e.first) {
		n, more := e.stream.Send(e.first[e.sent:], true, nil)
		e.sent += n
		if !more || n == 0 {
			return
		}
	}
}

// Inform implements [protocol.Sink].
func (e *event) Inform(*protocol.Inform) {}

// Respond implements [protocol.Sink]. Only OPEN is refused by a response.
func (e *event) Respond(m *protocol.Response) {
	if _, ok := e.Request.(*protocol.Open); !ok {
		return
	}
	r := m.Clone()
	r.Hold = nil
	if m.Hold != nil || m.File != "" || m.Flags&protocol.FlagEnd == 0 {
		e.failure = &protocol.Failure{Kind: protocol.FailedBroken,
			Detail: "a connection is refused by a response that is whole in one frame, without a file; this one " +
				"was not"}
	}
	if AsksForFetch(e.stream, m) {
		e.failure = &protocol.Failure{Kind: protocol.FailedFetch, Detail: "what refuses a connection is not fetched"}
	}
	e.refusal = r
	e.c.refuse()
}

// AsksForFetch says whether a response that came by s asks for a fetch, by the terms of its worker's generation.
// Whoever gets one has nobody before it who has made that: its body is no client's.
func AsksForFetch(s protocol.Stream, m *protocol.Response) bool {
	of, is := s.(interface{ Terms() any })
	if !is {
		return false
	}
	terms, is := of.Terms().(interface {
		Asks(m *protocol.Response) bool
	})
	return is && terms.Asks(m)
}

// Data implements [protocol.Sink].
func (e *event) Data(m *protocol.Data) { e.stream.Consumed(len(m.Bytes)) }

// Fail implements [protocol.Sink].
func (e *event) Fail(err *protocol.Failure) {
	e.failure = &protocol.Failure{Kind: err.Kind, Detail: err.Detail}
}

// kind is what the event is.
func (e *event) kind() handling {
	switch e.Request.(type) {
	case *protocol.Open:
		return handlingOpen
	case *protocol.Incoming:
		return handlingMessage
	case *protocol.Buffer:
		return handlingBuffer
	}
	return handlingClose
}

// Finished implements [protocol.Sink].
func (e *event) Finished() {
	g := &e.c.hub.gate
	if g.pass() {
		e.finish()
		g.leave()
		return
	}
	heir := g.successor()
	switch {
	case g.hold(e.Finished):
	case heir == nil: // it was decided this moment
		e.Finished()
	case e.c.isTheirs():
		e.bequeath(heir)
	default:
		e.finish()
	}
}

// finish goes on with the connection after its event.
func (e *event) finish() {
	c, kind := e.c, e.kind()
	e.course.end(c, &c.card, e.terms, e.Request, e.failure)
	if kind != handlingOpen {
		e.log()
	}
	pumps, done := c.handled(kind, e.failure, e.refusal, e.again())
	e.release()
	c.goOn(pumps, done)
}

// handled follows an event of which all has been done that there is to do. What it returns is for goOn.
func (c *Connection) handled(kind handling, failure *protocol.Failure, refusal *protocol.Response,
	again []message) (pumps, done bool) {
	switch {
	case kind == handlingOpen:
		c.settleOpen(failure, refusal)
	case failure != nil && kind != handlingClose:
		c.failed(failure, again)
	}
	c.mu.Lock()
	if kind == handlingClose {
		move(&c.life, over, &lifeMoves)
	}
	pumps, done = c.turn == submitting, c.life == over
	if pumps {
		move(&c.turn, pumping, &turnMoves)
	} else {
		move(&c.turn, resting, &turnMoves)
	}
	c.mu.Unlock()
	return pumps, done
}

// goOn has the next event submitted, unless somebody pumps, or there is none to come.
func (c *Connection) goOn(pumps, done bool) {
	switch {
	case pumps:
	case done:
		c.hub.forget(c)
	default:
		c.pump()
	}
}

// again are the messages that are to be delivered once more, each by itself: if only the handler failed, and they had
// travelled together, the failure of one undid what the others' handlers had asked for.
func (e *event) again() (again []message) {
	m, ok := e.Request.(*protocol.Incoming)
	if !ok || e.failure == nil || e.failure.Kind != protocol.FailedReset || len(m.More) == 0 {
		return nil
	}
	again = e.messages()
	for i := range again {
		again[i].alone, again[i].attempt = true, 2
	}
	return again
}

// messages are those of the event.
func (e *event) messages() []message {
	m := e.Request.(*protocol.Incoming)
	all := make([]message, 0, 1+len(m.More))
	add := func(data []byte, flags protocol.Flags, about []string) {
		one := message{data: data, binary: flags&protocol.FlagBinary != 0}
		if len(about) > 0 {
			one.about = &about
		}
		all = append(all, one)
	}
	add(e.first, m.Flags, m.About)
	for _, l := range m.More {
		add(l.Bytes, l.Flags, l.About)
	}
	return all
}

func (m *message) aboutIt() []string {
	if m.about == nil {
		return nil
	}
	return *m.about
}

// failed deals with an event that came to nothing. If only the handler failed the connection stays.
func (c *Connection) failed(failure *protocol.Failure, again []message) {
	switch failure.Kind {
	case protocol.FailedReset:
	case protocol.FailedStopping:
		c.hangup(protocol.CloseGoing, goingReason, true)
		return
	default:
		c.hangup(protocol.CloseError, "an event could not be handled", false)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != hungUp {
		c.inbox.putBack(again)
	}
}

// putBack puts messages before those that wait. The connection's mu is held.
func (i *inbox) putBack(again []message) {
	if len(again) == 0 {
		return
	}
	for n := range again {
		i.waits += int64(len(again[n].data)) + overhead
	}
	i.messages = append(again, i.messages...)
}

// log says that an event came to nothing.
func (e *event) log() {
	if e.failure == nil {
		return
	}
	name, id := e.Request.Name()
	report, what := e.c.hub.log.Error, "an event was given up; its connection is closed"
	switch _, closing := e.Request.(*protocol.Close); {
	case closing && e.failure.Kind == protocol.FailedReset: // it was delivered (SPEC.md §7.1)
		report, what = e.c.hub.log.Warn,
			"the handler of a CLOSE failed: what it asked for is dropped, and it is not called again"
	case closing:
		what = "a CLOSE could not be delivered"
	case e.failure.Kind == protocol.FailedReset:
		report, what = e.c.hub.log.Warn, "a handler failed: what it asked for is dropped, its connection stays open"
	}
	report(what, "event", name, "connection", id, "pool", e.terms.Backend.Traits().Pool, "remote", e.c.card.Remote,
		"error", e.failure.Error())
}
