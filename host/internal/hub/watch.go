// Watchers: what a hub tells of who is there, so that other hosts can tell it what is for them, and clients can be
// told who is with them.

package hub

import (
	"slices"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Watcher is told what there is in a hub. Its methods are called with a lock of the hub's held, in the order in which
// things happen, and before the commit is done that had them happen: they must not wait, nor call the hub.
type Watcher interface {
	// Group says that the first connection has come to a group, or that the last one has left it.
	Group(name string, there bool)
	// User says the same of the connections that are bound to a user.
	User(uid string, there bool)
	// Origin says the same of the connections whose ids begin so.
	Origin(prefix string, there bool)
	// Changed says that a connection has come, has left, or has other groups, another user or another session, or
	// that it is over: see [Connection.Stage].
	Changed(c *Connection)
}

// Watch has w told, beside those that are, of all that comes from now on, and of what is there already.
func (h *Hub) Watch(w Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.origins = map[string]int{}
		for _, c := range h.all {
			h.origins[Origin(c.id)]++
		}
	}
	h.watchers = append(h.watchers, w)
	for name := range h.groups {
		w.Group(name, true)
	}
	for uid := range h.users {
		w.User(uid, true)
	}
	for from := range h.origins {
		w.Origin(from, true)
	}
	for _, c := range h.all {
		w.Changed(c)
	}
}

// Standing is what a connection is to others.
type Standing struct {
	UID    string
	Groups []string // none if it has left, or has yet to come
	Hears  bool     // its client can be told of who is with it: see [Hub.Notify]
	Moved  bool     // it comes from another host, where it was open
}

// Same says whether nothing has changed.
func (s Standing) Same(as Standing) bool {
	return s.UID == as.UID && s.Hears == as.Hears && len(s.Groups) == len(as.Groups) &&
		(len(s.Groups) == 0 || &s.Groups[0] == &as.Groups[0] || slices.Equal(s.Groups, as.Groups))
}

// Standing says what c is to others now. It is for a [Watcher], in Changed. What it gives must not be changed.
func (c *Connection) Standing() Standing {
	st := c.state.Load()
	s := Standing{UID: st.uid, Moved: c.moved, Hears: st.aware}
	if !st.aware && !c.once {
		_, s.Hears = c.peer.Encoding().(Placing)
	}
	if c.seat.place >= 0 {
		s.Groups = st.groups
	}
	return s
}

// changed tells the watchers of a connection. h.mu is held.
func (h *Hub) changed(c *Connection) {
	for _, w := range h.watchers {
		w.Changed(c)
	}
}

// entered tells the watchers of a connection that others reach from now on. h.mu is held.
func (h *Hub) entered(c *Connection) {
	if h.watchers == nil {
		return
	}
	from := Origin(c.id)
	if h.origins[from]++; h.origins[from] == 1 {
		for _, w := range h.watchers {
			w.Origin(from, true)
		}
	}
	h.changed(c)
}

// exited tells them of one that they don't. h.mu is held.
func (h *Hub) exited(c *Connection) {
	if h.watchers == nil {
		return
	}
	from := Origin(c.id)
	if h.origins[from]--; h.origins[from] == 0 {
		delete(h.origins, from)
		for _, w := range h.watchers {
			w.Origin(from, false)
		}
	}
	h.changed(c)
}

// Origin is what an id has in common with all others of the hub that has made it: its [Hub.Prefix].
func Origin(id string) string {
	if i := strings.IndexByte(id, '-'); i >= 0 {
		return id[:i+1]
	}
	return ""
}

// joinGroup gives c a place in a group. h.mu is held.
func (h *Hub) joinGroup(name string, c *Connection) (place int32) {
	place = add(h.groups, name, c)
	if place == 0 {
		h.crowded(name, true)
	}
	return place
}

// joinUser gives c a place among a user's connections. h.mu is held.
func (h *Hub) joinUser(uid string, c *Connection) (place int32) {
	place = add(h.users, uid, c)
	if place == 0 {
		h.bound(uid, true)
	}
	return place
}

// crowded tells the watchers of a group's first connection, or that the last one has left. h.mu is held.
func (h *Hub) crowded(group string, there bool) {
	for _, w := range h.watchers {
		w.Group(group, there)
	}
}

// bound tells them the same of a user's. h.mu is held.
func (h *Hub) bound(uid string, there bool) {
	for _, w := range h.watchers {
		w.User(uid, there)
	}
}

// Hear carries acts out that workers of another host have asked for, as [Hub.Commit] does, unless this hub's
// connections have gone to an heir, which hears of it by itself. failed is told why nothing was done of it.
func (h *Hub) Hear(acts []protocol.Act, failed func(error)) {
	if !h.gate.pass() {
		h.ask(func() { h.Hear(acts, failed) }, func(Heir) {})
		return
	}
	defer h.gate.leave()
	if err := h.apply(nil, acts, nil); err != nil {
		failed(err)
	}
}
