// Notices: what clients are told that no worker has sent.

package hub

import (
	"slices"

	"github.com/workerhost/workerhost/protocol"
)

// Notice is for clients in a group that can tell it from a message: those that know of channels, and those of
// server-sent events.
type Notice struct {
	Group      string
	Connection string // whom alone it is for, if it is in the group; "" is all
	Event      string // its type as a server-sent event
	// Text gives it, in JSON. It is called once it is known who is in the group, with no lock held.
	Text func() []byte
}

// Notify tells the clients. While it is being decided whether another host takes over it tells later; once one has, it
// is that one's to tell.
func (h *Hub) Notify(n Notice) {
	if !h.gate.pass() {
		h.ask(func() { h.Notify(n) }, func(Heir) {})
		return
	}
	defer h.gate.leave()
	p := payload{}
	placed := map[Encoding][]byte{}
	for _, c := range h.told(n) {
		if p.data == nil {
			p.data = n.Text()
		}
		e := c.peer.Encoding()
		if c.aware() {
			c.send(p.form(e, false), false)
		} else if placing, can := e.(Placing); can && !c.once {
			b, made := placed[e]
			if !made {
				b = placing.AppendPlaced(nil, n.Event, "", p.data, false)
				placed[e] = b
			}
			if len(b) > 0 { // it is no stream of events
				c.send(b, false)
			}
		}
	}
}

// told are the connections that a notice is for.
func (h *Hub) told(n Notice) []*Connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.Connection == "" {
		return h.audience(nil, protocol.ToGroups, []string{n.Group}, nil)
	}
	if c := h.byID[n.Connection]; c != nil && slices.Contains(c.state.Load().groups, n.Group) {
		return []*Connection{c}
	}
	return nil
}
