// The watcher: what a hub tells of who is there, so that other hosts can tell it what is for them.

package hub

import (
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
	// Changed says that a connection has come, has left, or has other groups, another user or another session.
	Changed(c *Connection)
}

// Watch has w told of all that comes from now on, and of what is there already. It is called once at most.
func (h *Hub) Watch(w Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watcher, h.origins = w, map[string]int{}
	for name := range h.groups {
		w.Group(name, true)
	}
	for uid := range h.users {
		w.User(uid, true)
	}
	for _, c := range h.all {
		h.entered(c)
	}
}

// entered tells the watcher of a connection that others reach from now on. h.mu is held.
func (h *Hub) entered(c *Connection) {
	if h.watcher == nil {
		return
	}
	from := Origin(c.id)
	if h.origins[from]++; h.origins[from] == 1 {
		h.watcher.Origin(from, true)
	}
	h.watcher.Changed(c)
}

// exited tells it of one that they don't. h.mu is held.
func (h *Hub) exited(c *Connection) {
	if h.watcher == nil {
		return
	}
	from := Origin(c.id)
	if h.origins[from]--; h.origins[from] == 0 {
		delete(h.origins, from)
		h.watcher.Origin(from, false)
	}
	h.watcher.Changed(c)
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
	if place == 0 && h.watcher != nil {
		h.watcher.Group(name, true)
	}
	return place
}

// joinUser gives c a place among a user's connections. h.mu is held.
func (h *Hub) joinUser(uid string, c *Connection) (place int32) {
	place = add(h.users, uid, c)
	if place == 0 && h.watcher != nil {
		h.watcher.User(uid, true)
	}
	return place
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
