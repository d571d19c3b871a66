// room.go: who is in which group, and what is to be told of it.

package presence

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
)

// Hub has clients told; [hub.Hub] is one.
type Hub interface {
	Watch(w hub.Watcher)
	Notify(n hub.Notice)
}

// Linger says how long users of a group are there after they have left it; 0: nothing is told of this group. It must
// not wait, and is called with locks held.
type Linger func(group string) time.Duration

// Room knows who is in the groups of one realm. It implements [hub.Watcher]. Its methods are safe for concurrent use.
type Room struct {
	hub Hub
	all sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	linger  Linger
	watches bool
	seats   map[string]*seat  // by connection
	groups  map[string]*group // those with members
	queue   []notice
	running bool
	closed  bool
}

// seat is where a connection is, as far as this matters here.
type seat struct {
	hub.Standing
	in []string // of its groups, those of which something is told
}

type group struct {
	linger  time.Duration
	members map[string]*member // by user
}

// member is a user in a group.
type member struct {
	connections int
	turn        int         // counts when it was left without any
	leaves      *time.Timer // while it has none
}

// notice is what is to be told: to one connection who is there, or to all in the group who has come or gone.
type notice struct {
	group, connection, user string
	left                    bool
}

// NewRoom makes a room that tells nothing until Set.
func NewRoom(h Hub) *Room {
	return &Room{hub: h, linger: none, seats: map[string]*seat{}, groups: map[string]*group{}}
}

func none(string) time.Duration { return 0 }

// Set has the room go by linger from now on; nil is that it tells nothing. Who is in a group of which something is
// told only now is told who is there.
func (r *Room) Set(linger Linger) {
	r.mu.Lock()
	watch := linger != nil && !r.watches
	r.watches = r.watches || watch
	if r.linger = linger; linger == nil {
		r.linger = none
	}
	for id, s := range r.seats {
		r.move(id, s, s.Standing, true)
	}
	for name, g := range r.groups {
		before := g.linger
		if g.linger = r.linger(name); g.linger == 0 {
			r.drop(name, g)
		} else if g.linger != before {
			g.wait()
		}
	}
	r.mu.Unlock()
	if watch {
		r.hub.Watch(r)
	}
}

// wait has those who have left a group be there for its linger from now on. Room.mu is held.
func (g *group) wait() {
	for _, m := range g.members {
		if m.leaves != nil {
			m.leaves.Reset(g.linger)
		}
	}
}

// drop forgets a group. r.mu is held.
func (r *Room) drop(name string, g *group) {
	for _, m := range g.members {
		if m.leaves != nil {
			m.leaves.Stop()
		}
	}
	delete(r.groups, name)
}

// Close has nothing be told any more, and returns when all has ended.
func (r *Room) Close() {
	r.mu.Lock()
	r.closed, r.queue = true, nil
	for name, g := range r.groups {
		r.drop(name, g)
	}
	r.mu.Unlock()
	r.all.Wait()
}

// Members are the users that are in a group; told is whether anything is told of it.
func (r *Room) Members(name string) (users []string, told bool) {
	r.mu.Lock()
	told, users = r.linger(name) > 0, []string{}
	if g := r.groups[name]; g != nil {
		users = slices.AppendSeq(users, maps.Keys(g.members))
	}
	r.mu.Unlock()
	slices.Sort(users)
	return users, told
}

// Counts are how many groups of which something is told have members, and how many members these have together.
func (r *Room) Counts() (groups, members int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.groups {
		members += len(g.members)
	}
	return len(r.groups), members
}

// Changed implements [hub.Watcher].
func (r *Room) Changed(c *hub.Connection) { r.changed(c.ID(), c.Standing()) }

func (r *Room) changed(id string, now hub.Standing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seats[id]
	fresh := s == nil
	switch {
	case s == nil && len(now.Groups) == 0, r.closed:
		return
	case s == nil:
		s = &seat{}
		r.seats[id] = s
	case now.Same(s.Standing):
		return
	}
	r.move(id, s, now, now.Moved && fresh)
	if len(now.Groups) == 0 {
		delete(r.seats, id)
	}
}

// move puts a connection where it is now; quietly where all others are told who is there. r.mu is held.
func (r *Room) move(id string, s *seat, now hub.Standing, quietly bool) {
	var in []string
	for _, name := range now.Groups {
		if r.linger(name) > 0 {
			in = append(in, name)
		}
	}
	for _, name := range in { // before others leave, so that nobody who stays goes
		stayed := slices.Contains(s.in, name)
		if !stayed || now.UID != s.UID {
			r.enter(name, now.UID, quietly)
		}
		if now.Hears && (!stayed || !s.Hears) {
			r.tell(notice{group: name, connection: id})
		}
	}
	for _, name := range s.in {
		if !slices.Contains(in, name) || now.UID != s.UID {
			r.leave(name, s.UID)
		}
	}
	s.Standing, s.in = now, in
}

// enter has a connection of a user come into a group. r.mu is held.
func (r *Room) enter(name, user string, quietly bool) {
	if user == "" {
		return
	}
	g := r.groups[name]
	if g == nil {
		g = &group{r.linger(name), map[string]*member{}}
		r.groups[name] = g
	}
	m := g.members[user]
	if m == nil {
		m = &member{}
		g.members[user] = m
		if !quietly {
			r.tell(notice{group: name, user: user})
		}
	} else if m.leaves != nil {
		m.leaves.Stop()
		m.leaves = nil
	}
	m.connections++
}

// leave has one go. r.mu is held.
func (r *Room) leave(name, user string) {
	g := r.groups[name]
	if g == nil || g.members[user] == nil {
		return
	}
	m := g.members[user]
	if m.connections--; m.connections > 0 {
		return
	}
	m.turn++
	turn := m.turn
	m.leaves = time.AfterFunc(g.linger, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.groups[name] != g || g.members[user] != m || m.turn != turn || m.connections > 0 {
			return
		}
		if delete(g.members, user); len(g.members) == 0 {
			delete(r.groups, name)
		}
		r.tell(notice{group: name, user: user, left: true})
	})
}

// tell has a notice be told. r.mu is held.
func (r *Room) tell(n notice) {
	if r.closed {
		return
	}
	r.queue = append(r.queue, n)
	if !r.running {
		r.running = true
		r.all.Go(r.run) // ends when nothing is to be told
	}
}

func (r *Room) run() {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.queue, r.running = nil, false
			r.mu.Unlock()
			return
		}
		n := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()
		r.hub.Notify(r.noticeOf(n))
	}
}

// told is what clients get.
type told struct {
	Channel string    `json:"channel"`
	Members *[]string `json:"members,omitempty"`
	Entered []string  `json:"entered,omitempty"`
	Left    []string  `json:"left,omitempty"`
}

func (r *Room) noticeOf(n notice) hub.Notice {
	what, event := told{Channel: n.group}, "entered"
	switch {
	case n.connection != "":
		event = "members"
	case n.left:
		what.Left, event = []string{n.user}, "left"
	default:
		what.Entered = []string{n.user}
	}
	return hub.Notice{Group: n.group, Connection: n.connection, Event: event, Text: func() []byte {
		if n.connection != "" { // as it is by now; what has changed since it hears next
			users, _ := r.Members(n.group)
			what.Members = &users
		}
		text, err := json.Marshal(what)
		if err != nil {
			panic(err) // of strings alone
		}
		return text
	}}
}

// Group implements [hub.Watcher].
func (r *Room) Group(string, bool) {}

// User implements [hub.Watcher].
func (r *Room) User(string, bool) {}

// Origin implements [hub.Watcher].
func (r *Room) Origin(string, bool) {}
