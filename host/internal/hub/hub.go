// The registry: which connections are there, in which groups, and whose they are.

package hub

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/protocol"
)

// Hub is the registry of the connections of one realm. It implements [protocol.Hub]. Its methods are safe for
// concurrent use.
type Hub struct {
	log    hclog.Logger
	prefix string // of all ids, so that another realm, or host, or this one's next life, gives none of them again
	serial atomic.Uint64
	slow   quiet.Throttle // of clients that were closed for being slow
	gate   gate
	// channels is nil where no group has a history, nor tells who is in it
	channels atomic.Pointer[keeper]

	mu sync.Mutex
	// guarded by mu
	all      []*Connection // those that are open, each at its place
	byID     map[string]*Connection
	groups   map[string]*crowd
	users    map[string]*crowd
	away     map[*Connection]struct{} // those that are not open yet, or no more, but have events to come
	stamp    uint64                   // the last that was given to Connection.mark
	stops    []*shutdown
	tallies  map[tallyKey]*Tally
	watchers []Watcher              // who are told
	origins  map[string]int         // how many of all are of each, for the watchers
	custody  custody                // of connections that come
	packing  *Departure             // nil unless custody is packed
	absent   map[string]*Connection // theirs whose sockets are here still, by id; see departure.go
	apart    map[string]*Connection // of which the host before has something still, by id; see arrival.go
}

// crowd is a group, or the connections of a user.
type crowd struct {
	name    string
	members []*Connection
}

// New makes a Hub without connections, which gives none of the ids of the others. Its ids count its own connections
// alone, for those of another realm are not for its workers to know.
func New(log hclog.Logger, others ...*Hub) *Hub {
	h := &Hub{
		log:  log,
		byID: map[string]*Connection{}, groups: map[string]*crowd{}, users: map[string]*crowd{},
		away: map[*Connection]struct{}{}, tallies: map[tallyKey]*Tally{},
		absent: map[string]*Connection{}, apart: map[string]*Connection{},
	}
	for h.prefix == "" || slices.ContainsFunc(others, func(o *Hub) bool { return o.prefix == h.prefix }) {
		h.prefix = strings.ToLower(rand.Text()[:8]) + "-"
	}
	return h
}

// Add makes a connection of a client that has come. It is open, and others can reach it, when its OPEN is done: call
// Open next.
func (h *Hub) Add(p Peer, card Card, t *Terms) *Connection {
	c := h.connection(p, card, t)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.custody != ours {
		h.joinsDeparture(c)
		return c
	}
	h.away[c] = struct{}{}
	for _, s := range h.stops {
		s.take(c)
	}
	return c
}

// Hold makes a connection of a held response: it is there, in its groups, at once, and has no OPEN. What is sent to it
// waits until Opened. It fails if hold asks for what is beyond the limits (SPEC.md §10.3).
func (h *Hub) Hold(p Peer, card Card, t *Terms, hold *protocol.Hold) (*Connection, error) {
	return h.HoldSince(p, card, t, hold, "")
}

// HoldSince is Hold for a client that says where it was, as in Last-Event-ID. Where a group of its server-sent events
// has a history, it is in that group as soon as it has what it missed.
func (h *Hub) HoldSince(p Peer, card Card, t *Terms, hold *protocol.Hold, since string) (*Connection, error) {
	groups, kept := hold.Groups, []string(nil)
	if k := h.channels.Load(); k != nil && card.Protocol == protocol.ProtoSSE {
		groups, kept = k.split(hold.Groups)
	}
	c := h.connection(p, card, t)
	h.mu.Lock()
	st, err := h.start(Start{UID: hold.UID, Groups: groups, Session: hold.Session}, t.sessionLimit())
	if err == nil && len(kept) > 0 {
		_, err = h.join(st, kept)
	}
	if err != nil {
		h.mu.Unlock()
		return nil, err
	}
	c.state.Store(st)
	c.once = hold.Once
	move(&c.outlet.line, accepted, &lineMoves)
	stopping, late := false, h.custody == theirs
	if h.custody != ours {
		h.joinsDeparture(c)
	} else {
		for _, s := range h.stops {
			s.take(c)
		}
		stopping = h.enter(c)
	}
	h.mu.Unlock()
	if hold.Timeout > 0 {
		c.expire(hold.Timeout)
	}
	if late {
		h.gate.successor().Hold(c)
	}
	if stopping {
		c.hangup(protocol.CloseGoing, goingReason, true)
	}
	if len(kept) > 0 {
		h.Commit(nil, []protocol.Act{&protocol.Join{Connection: c.id, Groups: kept, Since: &since}}, c.joined)
	}
	return c, nil
}

func (h *Hub) connection(p Peer, card Card, t *Terms) *Connection {
	c := &Connection{hub: h, peer: p, card: card, id: h.prefix + strconv.FormatUint(h.serial.Add(1), 36), since: now(),
		seat: seat{place: absent}}
	c.state.Store(blank)
	c.terms.Store(t)
	return c
}

// Get finds a connection that is open; nil if there is none.
func (h *Hub) Get(id string) *Connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byID[id]
}

// Retune puts all connections that are kept on the keys of others on the values instead. The front first sees to it
// that those that come get the others, too.
func (h *Hub) Retune(others map[*Terms]*Terms) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.all {
		c.retune(others)
	}
	for c := range h.away {
		c.retune(others)
	}
}

func (c *Connection) retune(others map[*Terms]*Terms) {
	if old := c.terms.Load(); others[old] != nil {
		c.terms.CompareAndSwap(old, others[old])
	}
}

// The places of a connection that is not in Hub.all.
const (
	absent = -1 // it may enter
	left   = -2 // it never enters again
)

// enter lets others reach c, unless it has left, and says whether it has to go at once. h.mu is held.
func (h *Hub) enter(c *Connection) (stopping bool) {
	if c.seat.place != absent {
		return false
	}
	delete(h.away, c)
	t := h.tally(c)
	t.Open++
	t.Opened++
	c.seat.place = int32(len(h.all))
	h.all = append(h.all, c)
	h.byID[c.id] = c
	st := c.state.Load()
	c.seat.places = make([]int32, 0, len(st.groups))
	for _, name := range st.groups {
		c.seat.places = append(c.seat.places, h.joinGroup(name, c))
	}
	if st.uid != "" {
		c.seat.userPlace = h.joinUser(st.uid, c)
	}
	h.entered(c)
	for _, s := range h.stops {
		if _, ok := s.left[c]; ok {
			return true
		}
	}
	return h.custody == theirs // it could not go along
}

// exit takes c, which has not left, out of everything that others reach it by, for good; its state still says where it
// was. h.mu is held.
func (h *Hub) exit(c *Connection) {
	h.away[c] = struct{}{}
	place := c.seat.place
	c.seat.place = left
	if place == absent {
		return
	}
	st := c.state.Load()
	for i := range st.groups {
		h.leaveGroup(st.groups[i], c.seat.places[i])
	}
	if st.uid != "" {
		h.leaveUser(st.uid, c.seat.userPlace)
	}
	if last := h.all[len(h.all)-1]; last != c {
		h.all[place], last.seat.place = last, place
	}
	h.all = shorten(h.all)
	delete(h.byID, c.id)
	h.tally(c).Open--
	c.seat.places = nil
	h.exited(c)
}

// forget ends the hub's care for c: no event of it is to come. h.mu is not held.
func (h *Hub) forget(c *Connection) {
	c.mu.Lock()
	c.inbox.drop() // no message of a connection that never opened was handled
	inherited, over := c.bequest().inherited, func(Start) {}
	if c.few != nil && c.few.over != nil {
		over = c.few.over
	}
	c.mu.Unlock()
	h.mu.Lock()
	if c.seat.place != left {
		h.exit(c)
	}
	_, news := h.away[c]
	if news {
		if !inherited { // it counted where it was open
			h.tally(c).close(c)
		}
		delete(h.away, c)
		h.changed(c)
	}
	for _, s := range h.stops {
		s.drop(c)
	}
	h.mu.Unlock()
	if news {
		over(c.Kept())
	}
}

func add(crowds map[string]*crowd, name string, c *Connection) (place int32) {
	g := crowds[name]
	if g == nil {
		g = &crowd{name: name}
		crowds[name] = g
	}
	g.members = append(g.members, c)
	return int32(len(g.members) - 1)
}

func (h *Hub) leaveGroup(name string, place int32) {
	if moved := remove(h.groups, name, place); moved != nil {
		for i, n := range moved.state.Load().groups {
			if n == name {
				moved.seat.places[i] = place
				break
			}
		}
	} else if h.groups[name] == nil {
		h.crowded(name, false)
	}
}

func (h *Hub) leaveUser(name string, place int32) {
	if moved := remove(h.users, name, place); moved != nil {
		moved.seat.userPlace = place
	} else if h.users[name] == nil {
		h.bound(name, false)
	}
}

// remove takes the member at place out of a crowd, and gives the one that has moved there.
func remove(crowds map[string]*crowd, name string, place int32) (moved *Connection) {
	g := crowds[name]
	last := len(g.members) - 1
	if last == 0 {
		delete(crowds, name)
		return nil
	}
	if int(place) < last {
		moved = g.members[last]
		g.members[place] = moved
	}
	g.members = shorten(g.members)
	return moved
}

// shorten drops the last element, and the memory once three quarters of it are unused.
func shorten(list []*Connection) []*Connection {
	list[len(list)-1] = nil
	list = list[:len(list)-1]
	if cap(list) > 64 && len(list) < cap(list)/4 {
		list = append(make([]*Connection, 0, 2*len(list)), list...)
	}
	return list
}
