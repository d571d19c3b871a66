// Dials: connections that the host itself has made, with another server as the client (SPEC.md §16).

package hub

import (
	"errors"

	"github.com/workerhost/workerhost/protocol"
)

// Start is what a connection that the host has made has at its OPEN, and what the next one of its dial goes on with.
type Start struct {
	UID     string
	Groups  []string
	Session []protocol.Entry
}

var errHandedOver = errors.New("another host takes over")

// Dial makes a connection of one that the host has made; t.Dial says whose it is. All that follows is as with Add.
// over is called once the connection has gone and its CLOSE, if it opened, has been handled, with what it had then, by
// a goroutine that must not wait; the connection does not go to another host. It fails, and over is not called, if
// start is beyond the limits (SPEC.md §10.3), or another host takes over.
func (h *Hub) Dial(p Peer, card Card, t *Terms, start Start, over func(Start)) (*Connection, error) {
	c := h.connection(p, card, t)
	c.few = &few{over: over}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.custody != ours {
		return nil, errHandedOver
	}
	st, err := h.start(start, t.sessionLimit())
	if err != nil {
		return nil, err
	}
	c.state.Store(st)
	h.away[c] = struct{}{}
	for _, s := range h.stops {
		s.take(c)
	}
	return c, nil
}

// CheckStart says why Dial would refuse to start a connection on t like that, or nil.
func (h *Hub) CheckStart(start Start, t *Terms) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.start(start, t.sessionLimit())
	return err
}

// start is the state of a connection that begins. h.mu is held.
func (h *Hub) start(start Start, limit int) (st *state, err error) {
	if st, err = h.join(blank, start.Groups); err != nil {
		return nil, err
	}
	if st, err = bind(st, start.UID); err != nil {
		return nil, err
	}
	st = set(st, start.Session, nil)
	if err := checkSession(blank, st, limit); err != nil {
		return nil, err
	}
	return st, nil
}

// Kept is what the connection has now, with which the next one of its dial begins.
func (c *Connection) Kept() Start {
	st := c.state.Load()
	return Start{UID: st.uid, Groups: st.groups, Session: st.session}
}
