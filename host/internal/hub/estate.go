// Estates: what is left of connections whose host has died. Their clients are gone; a CLOSE is to come of each.

package hub

import (
	"errors"
	"math"

	"github.com/workerhost/workerhost/protocol"
)

// estate is what makes a connection's end another one than that of a client who leaves.
type estate struct {
	inherited bool // another host had it, and has died; never changes
	disowned  bool // another host has its CLOSE handled, taking this one for dead
}

// View is the connection as an event would tell of it now.
func (c *Connection) View() protocol.Connection { return c.view() }

// Stage says whether others reach c, and whether it is over: no event of it is to come here. It may be neither. It is
// for a [Watcher], in Changed.
func (c *Connection) Stage() (there, ended bool) {
	if c.seat.place != left {
		return c.seat.place >= 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return false, c.life == over || c.custody == theirs
}

// Inherit has the workers of t's backend handle the CLOSE of a connection that a host had which has died, as attempt
// 2, since those of that host may have begun it. It is told as it was noted, and as one that broke off. done is called
// once when that has been handled, or given up; it must not wait, and Inherit may not have returned by then. It
// fails, and done is not called, if another host takes over, or the connection can't be one.
func (h *Hub) Inherit(v *protocol.Connection, t *Terms, done func()) error {
	c := &Connection{hub: h, peer: nobody{}, id: v.ID, since: now(), seat: seat{place: left},
		card: Card{Protocol: v.Protocol, Remote: v.Remote, Listener: v.Listener}}
	c.terms.Store(t)
	c.few = &few{estate: estate{inherited: true}, over: func(Start) { done() }}
	c.outlet.line, c.life = cut, gone
	c.ending = &ending{code: protocol.CloseBroken}
	h.mu.Lock()
	if h.custody != ours {
		h.mu.Unlock()
		return errHandedOver
	}
	st, err := h.start(Start{UID: v.UID, Groups: v.Groups, Session: v.Session}, math.MaxInt)
	if err != nil {
		h.mu.Unlock()
		return err
	}
	c.state.Store(st)
	h.away[c] = struct{}{}
	for _, s := range h.stops {
		s.take(c)
	}
	h.mu.Unlock()
	c.pump()
	return nil
}

// Disown closes a connection that another host takes for one of a host that has died: its client has to come again,
// and no CLOSE is handled here.
func (c *Connection) Disown() {
	c.mu.Lock()
	if c.custody != ours {
		c.mu.Unlock()
		return
	}
	c.some().estate.disowned = true
	c.mu.Unlock()
	c.hangup(closeRestart, "the server was cut off", false)
}

var errGone = errors.New("the client is gone")

// nobody is the client's end of a connection that has none.
type nobody struct{}

// Encoding implements [Peer].
func (nobody) Encoding() Encoding { return nil }

// TryWrite implements [Peer].
func (nobody) TryWrite([][]byte) (int, error) { return 0, errGone }

// Write implements [Peer].
func (nobody) Write([][]byte) error { return errGone }

// End implements [Peer].
func (nobody) End(int, string) {}

// Abort implements [Peer].
func (nobody) Abort() {}
