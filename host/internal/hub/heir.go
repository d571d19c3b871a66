// The heir: what becomes of a hub's work once another host's hub has its connections. Workers here go on for a while,
// and front ends have clients whose sockets have yet to follow.

package hub

import "github.com/workerhost/workerhost/protocol"

// Heir is the hub that has taken over, in another process. What is asked of one that has handed over is asked of it,
// in order. Its methods don't wait, and don't call the hub before they return.
type Heir interface {
	// Commit carries acts out there as those of the event that this host's workers handle of the connection subject,
	// or of none if that is "". refused says that they have refused an OPEN.
	Commit(subject string, refused bool, acts []protocol.Act, done func(error))
	Call(m *protocol.Call, to protocol.Caller)
	Swap(m *protocol.Swap, to protocol.Caller)
	// Done says what came of an event of a connection which this host's workers have handled.
	Done(id string, o Outcome)
	// Open has the workers there decide about a client that has come here; [Hub.Answered] is to follow.
	Open(c *Connection)
	// Hold has a response kept there. Its socket follows, or Closed.
	Hold(c *Connection)
	// Closed says that a client has left whose socket had not been handed over.
	Closed(id string, code int, reason string, clean bool)
}

// Outcome is what came of an event that one host's workers have handled for the hub of another one.
type Outcome struct {
	Failure int    `msgpack:"failure"` // a [protocol.FailureKind]; 0: it was handled
	Detail  string `msgpack:"detail"`  // of the failure
	Refused bool   `msgpack:"refused"` // an OPEN's client was told so
	// Undone says that no worker has begun it, nor will: the host that is told has it handled.
	Undone bool      `msgpack:"undone"`
	Again  []Waiting `msgpack:"again"` // messages to be delivered once more, or for the first time
}

// ask does again, or asks the heir, as soon as it is known which. The gate has not been passed.
func (h *Hub) ask(again func(), ask func(Heir)) {
	heir := h.gate.successor()
	switch {
	case h.gate.hold(again):
	case heir == nil: // it was decided this moment
		again()
	default:
		ask(heir)
	}
}

// forward has acts carried out by the heir, but for those about what is here still.
func (h *Hub) forward(heir Heir, subject protocol.Subject, acts []protocol.Act, done func(error)) {
	own, _ := subject.(*Connection)
	sender, _ := subject.(*datagram)
	name, refused := "", false
	if own != nil && own.isTheirs() {
		name = own.id
		_, refused = own.opens()
		own = nil
	}
	if own == nil && sender == nil {
		heir.Commit(name, refused, acts, done)
		return
	}
	var here, there []protocol.Act
	for i, a := range acts {
		if err := check(own, sender, a); err != nil {
			done(refusal(i, acts, err))
			return
		}
		to, ok := audienceOf(a)
		about := target(a)
		_, accepts := a.(*protocol.Accept)
		if ok && to == protocol.ToSelf || accepts || own != nil && about != nil && (*about == "" || *about == own.id) {
			here = append(here, a)
		} else {
			there = append(there, a)
		}
	}
	if len(there) == 0 {
		done(h.apply(subject, here, nil))
		return
	}
	heir.Commit("", false, there, func(err error) {
		if err == nil && len(here) > 0 {
			err = h.apply(subject, here, nil)
		}
		done(err)
	})
}

// bequeath tells the heir what came of an event.
func (e *event) bequeath(heir Heir) {
	c := e.c
	e.course.end(c, &c.card, e.terms, e.Request, e.failure)
	o := Outcome{Refused: e.refusal != nil}
	if f := e.failure; f != nil {
		o.Failure, o.Detail = int(f.Kind), f.Detail
		o.Undone = f.Kind == protocol.FailedStopping
	}
	again := e.again()
	if m, ok := e.Request.(*protocol.Incoming); ok && o.Undone {
		again = e.messages()
		for i := range again {
			if again[i].attempt = m.Attempt; e.stream != nil { // a worker died with it
				again[i].attempt = 2
			}
		}
	}
	for i := range again {
		o.Again = append(o.Again, again[i].waiting())
	}
	if e.kind() != handlingOpen && !o.Undone {
		e.log()
	}
	c.mu.Lock()
	if c.opening != nil {
		c.opening.refusal = e.refusal
	}
	c.mu.Unlock()
	e.release()
	heir.Done(c.id, o)
}

// endedHere says that the client has left of a connection that is theirs.
func (c *Connection) endedHere(code int, reason string, clean bool) {
	h := c.hub
	h.mu.Lock()
	absent := h.absent[c.id] == c
	delete(h.absent, c.id)
	heir := h.gate.successor()
	h.mu.Unlock()
	if !absent {
		return
	}
	c.mu.Lock()
	o := c.opening
	c.opening = nil
	c.mu.Unlock()
	if o != nil {
		if o.ticket != nil {
			o.ticket.Cancel(protocol.ResetCancelled)
		}
		o.answered(Admission{Failure: &protocol.Failure{Kind: protocol.FailedCancelled}})
	}
	heir.Closed(c.id, code, reason, clean)
}

// openElsewhere has the heir's workers decide about a client that has come here.
func (c *Connection) openElsewhere(heir Heir, request *protocol.Request, answered func(Admission)) {
	c.mu.Lock()
	c.opening = &opening{request: request, answered: answered}
	c.mu.Unlock()
	heir.Open(c)
}

// Answered is what the heir says of an OPEN. response, if it is not nil, is the refusal of its workers; that of this
// host's own is known here.
func (h *Hub) Answered(id string, a Admission) {
	h.mu.Lock()
	c := h.absent[id]
	if c != nil && !a.Accepted {
		delete(h.absent, id)
	}
	h.mu.Unlock()
	if c == nil { // it has left, and answered was called
		return
	}
	c.mu.Lock()
	o := c.opening
	c.opening = nil
	c.mu.Unlock()
	if o == nil {
		return
	}
	if !a.Accepted && a.Failure == nil && a.Response == nil {
		a.Response = o.refusal
	}
	o.answered(a)
}

// Cut ends a connection whose socket is here still, at the heir's word.
func (h *Hub) Cut(id string) {
	h.mu.Lock()
	c := h.absent[id]
	h.mu.Unlock()
	if c != nil {
		c.peer.Abort()
	}
}

// Absent is how many connections are theirs whose sockets are here still.
func (h *Hub) Absent() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.absent)
}

// Handed says that the socket of a connection that is theirs has gone after it, and whether it was waited for.
func (c *Connection) Handed() bool {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	_, absent := c.hub.absent[c.id]
	delete(c.hub.absent, c.id)
	return absent
}

// In says whether the connection is one of h.
func (c *Connection) In(h *Hub) bool { return c.hub == h }

// Peer is the client's end.
func (c *Connection) Peer() Peer { return c.peer }

// WithSocket says that the socket of the connection is served, so that it goes with it. It is told while paused.
func (c *Connection) WithSocket() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outlet.socket = true
}
