// Whom a SEND or a HANGUP is for.

package hub

import "github.com/workerhost/workerhost/protocol"

// audience lists the connections that an act is for, each once. The list is the caller's. h.mu is held, and for no
// longer than copying takes: nothing is written under it.
func (h *Hub) audience(own *Connection, to protocol.Audience, names, except []string) []*Connection {
	h.stamp++
	for _, id := range except {
		if c := h.find(own, &id); c != nil {
			c.seat.mark = h.stamp
		}
	}
	switch to {
	case protocol.ToSelf:
		return h.pick(nil, own)
	case protocol.ToAll:
		return h.pickAll(h.all, len(except) == 0)
	case protocol.ToConnections:
		list := make([]*Connection, 0, len(names))
		for i := range names {
			if c := h.find(own, &names[i]); c != nil && names[i] != "" {
				list = h.pick(list, c)
			}
		}
		return list
	}
	crowds := h.groups
	if to == protocol.ToUsers {
		crowds = h.users
	}
	if len(names) == 1 {
		if g := crowds[names[0]]; g != nil {
			return h.pickAll(g.members, len(except) == 0)
		}
		return nil
	}
	var list []*Connection
	for _, name := range names {
		if g := crowds[name]; g != nil {
			for _, c := range g.members {
				list = h.pick(list, c)
			}
		}
	}
	return list
}

// pickAll copies members, of whom none is there twice; all says that nobody is left out.
func (h *Hub) pickAll(members []*Connection, all bool) []*Connection {
	list := make([]*Connection, 0, len(members))
	if all {
		return append(list, members...)
	}
	for _, c := range members {
		list = h.pick(list, c)
	}
	return list
}

func (h *Hub) pick(list []*Connection, c *Connection) []*Connection {
	if c == nil || c.seat.mark == h.stamp {
		return list
	}
	c.seat.mark = h.stamp
	return append(list, c)
}

// Reach is how many connections a SEND or a HANGUP with this audience would be for.
func (h *Hub) Reach(to protocol.Audience, names, except []string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.audience(nil, to, names, except))
}
