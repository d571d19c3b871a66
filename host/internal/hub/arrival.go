// Arrival: how a hub takes over the connections of the one before it, in another process. Until it begins nothing
// shows of them.

package hub

import (
	"fmt"
	"maps"

	"github.com/workerhost/workerhost/protocol"
)

// apart is what another host has of a connection still.
type apart struct {
	event  bool // its workers handle one
	socket bool // the client's socket
	answer func(Admission)
}

// Arrival is connections that are about to come. One goroutine at a time uses it.
type Arrival struct {
	hub   *Hub
	comes map[string]arriving // by id
}

type arriving struct {
	c      *Connection
	record *Record
}

// Arrive is for connections of the hub before.
func (h *Hub) Arrive() *Arrival { return &Arrival{hub: h, comes: map[string]arriving{}} }

// Add makes a connection of a record, which keeps the record's bytes. socket says whether p has the client's socket
// already; else [Connection.Opened] is called when it has. answer is told what comes of an OPEN; it must not wait. The
// error says what of the record can't be; then nothing has changed.
func (a *Arrival) Add(r *Record, p Peer, t *Terms, socket bool, answer func(Admission)) (*Connection, error) {
	h := a.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := h.restore(r, p, t)
	if err != nil {
		return nil, err
	}
	if _, twice := a.comes[c.id]; twice || h.byID[c.id] != nil || h.apart[c.id] != nil {
		return nil, fmt.Errorf("connection %s is here already", c.id)
	}
	from := apart{event: c.opening != nil && r.Submitted || r.Handles != "", socket: !socket, answer: answer}
	if from.event || from.socket {
		c.some().apart = from
	}
	if c.opening != nil {
		c.opening.answered = c.settledElsewhere
	}
	a.comes[c.id] = arriving{c, r}
	return c, nil
}

// Land has the connections be there, all at once; their events go on, and what waits is sent.
func (a *Arrival) Land() {
	h := a.hub
	h.mu.Lock()
	var stopping, held []*Connection
	for _, one := range a.comes {
		c := one.c
		if c.few != nil && (c.few.apart.event || c.few.apart.socket) {
			h.apart[c.id] = c
		}
		if h.custody != ours { // it goes on to the next host, as does one that has just come
			h.joinsDeparture(c)
			if h.custody == theirs && c.opening == nil {
				held = append(held, c)
			}
			continue
		}
		for _, s := range h.stops {
			s.take(c)
		}
		if c.opening != nil {
			h.away[c] = struct{}{}
			continue
		}
		if h.enter(c) {
			stopping = append(stopping, c)
		}
		h.tally(c).Opened--
	}
	h.mu.Unlock()
	for _, one := range a.comes {
		c, r := one.c, one.record
		c.expireAt(r.Expires, r.Guest)
		switch {
		case c.opening != nil && !r.Submitted:
			c.reopen()
		case c.opening == nil && !c.misses():
			c.Opened()
		case c.opening == nil:
			c.pump()
		}
	}
	for _, c := range held {
		h.gate.successor().Hold(c)
	}
	for _, c := range stopping {
		c.hangup(protocol.CloseGoing, goingReason, true)
	}
	a.comes = nil
}

// misses says whether the socket has yet to come.
func (c *Connection) misses() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.few != nil && c.few.apart.socket
}

// reopen has the workers here decide about a client.
func (c *Connection) reopen() {
	if !c.hub.gate.pass() {
		c.hub.ask(c.reopen, func(heir Heir) {
			c.mu.Lock()
			move(&c.turn, resting, &turnMoves) // no workers have it
			c.mu.Unlock()
			heir.Open(c)
		})
		return
	}
	defer c.hub.gate.leave()
	t := c.Terms()
	traits := t.Backend.Traits()
	c.submitOpen(t, &traits)
}

// settledElsewhere tells the host whose client it is what has come of an OPEN.
func (c *Connection) settledElsewhere(a Admission) {
	c.mu.Lock()
	answer := c.few.apart.answer
	c.mu.Unlock()
	if !a.Accepted {
		c.hub.came(c, true)
	}
	answer(a)
}

// came notes that another host has nothing of c any more that would come: its socket, or else the outcome of an event.
func (h *Hub) came(c *Connection, socket bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.few == nil {
		return
	}
	if from := &c.few.apart; socket {
		from.socket = false
	} else {
		from.event = false
	}
	if !c.few.apart.event && !c.few.apart.socket {
		delete(h.apart, c.id)
	}
}

// abroad is the connection of which another host has something; nil if there is none.
func (h *Hub) abroad(id string) *Connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.apart[id]
}

// Awaits is the connection whose socket has yet to come from the host before; nil if there is none.
func (h *Hub) Awaits(id string) *Connection {
	c := h.abroad(id)
	if c == nil || !c.misses() {
		return nil
	}
	return c
}

// Came says that the socket of a connection has come, and is served from now on.
func (c *Connection) Came() { c.hub.came(c, true) }

// CommitOf carries acts out as [Hub.Commit] does, for the event of the connection subject that the workers of the
// host before handle; "" is of no event. refused says that they have refused an OPEN.
func (h *Hub) CommitOf(subject string, refused bool, acts []protocol.Act, done func(error)) {
	if subject == "" {
		h.Commit(nil, acts, done)
		return
	}
	c := h.abroad(subject)
	if c == nil {
		done(fmt.Errorf("%w: no event of the connection %s is under way", protocol.ErrUnavailable, subject))
		return
	}
	if refused {
		c.refuse()
	}
	h.Commit(c, acts, done)
}

// Done goes on with a connection after an event that the workers of the host before have handled, or will not.
func (h *Hub) Done(id string, o Outcome) {
	c := h.abroad(id)
	if c == nil {
		return
	}
	if !h.gate.pass() {
		h.ask(func() { h.Done(id, o) }, func(heir Heir) {
			h.came(c, false)
			heir.Done(id, o)
		})
		return
	}
	defer h.gate.leave()
	c.mu.Lock()
	kind, expected := c.handles, c.turn == awaiting && c.few != nil && c.few.apart.event
	c.mu.Unlock()
	if !expected {
		return
	}
	h.came(c, false)
	var failure *protocol.Failure
	if o.Failure != 0 {
		failure = &protocol.Failure{Kind: protocol.FailureKind(o.Failure), Detail: o.Detail}
	}
	var again []message
	for i := range o.Again {
		again = append(again, o.Again[i].message())
	}
	var refusal *protocol.Response
	switch {
	case o.Undone && kind == handlingOpen:
		c.reopen()
		return
	case o.Undone:
		failure = nil
		c.mu.Lock()
		if kind == handlingBuffer {
			c.outlet.told = !c.outlet.told
		}
		if c.life != hungUp {
			c.inbox.putBack(again)
		}
		c.mu.Unlock()
	case o.Refused:
		refusal = new(protocol.Response)
	}
	c.goOn(c.handled(kind, failure, refusal, again))
}

// ClosedBefore says that a client has left whose socket was with the host before.
func (h *Hub) ClosedBefore(id string, code int, reason string, clean bool) {
	if c := h.abroad(id); c != nil {
		h.came(c, true)
		c.Closed(code, reason, clean)
	}
}

// Orphaned ends what the host before has still of connections: it has died, with its workers and clients' sockets.
func (h *Hub) Orphaned() {
	h.mu.Lock()
	left := maps.Clone(h.apart)
	h.mu.Unlock()
	for id, c := range left {
		c.mu.Lock()
		from := c.few.apart
		c.mu.Unlock()
		if from.socket {
			h.ClosedBefore(id, protocol.CloseBroken, "", false)
		}
		if from.event {
			h.Done(id, Outcome{Failure: int(protocol.FailedDied), Detail: "the host before has died with its worker"})
		}
	}
}

// Prefix is what all ids of its connections begin with.
func (h *Hub) Prefix() string { return h.prefix }

// Continue has the tallies go on from those of the hub before.
func (h *Hub) Continue(before []Tally) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range before {
		t := before[i]
		t.Open, t.Queued = 0, 0
		t.Closed = maps.Clone(t.Closed)
		if t.Closed == nil {
			t.Closed = map[int]int64{}
		}
		k := tallyKey{t.Listener, t.Protocol}
		if now := h.tallies[k]; now != nil {
			now.join(&t)
		} else {
			h.tallies[k] = &t
		}
	}
}

// Counted are the tallies without what connections that are here have counted themselves: they take that along.
func (h *Hub) Counted() []Tally {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]Tally, 0, len(h.tallies))
	for _, t := range h.tallies {
		one := *t
		one.Closed = maps.Clone(t.Closed)
		list = append(list, one)
	}
	return list
}
