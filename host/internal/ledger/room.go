// room.go: this process among those that keep the ledger, and its connections of which something is to be noted.

package ledger

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/protocol"
)

// Settings say whose ledger it is, and who has a CLOSE handled.
type Settings struct {
	Cluster string // its name
	Host    string // this host's, for people
	// Station is the name of this host's place, which is no other host's: [engine.Station].
	Station func() (string, error)
	Engine  *engine.Engine
	// Takes says whether the workers of a pool can handle a CLOSE now.
	Takes func(realm, pool string) bool
	// Handle has them handle one: [hub.Hub.Inherit].
	Handle func(realm, pool string, v *protocol.Connection, done func()) error
	// Silence is in place of the constant; 0 is that.
	Silence time.Duration
	Log     hclog.Logger
}

const (
	// Pace is how often it is noted what has changed.
	Pace = 250 * time.Millisecond
	// Silence is after how long without a sign of life a process is declared dead.
	Silence = 10 * time.Second
	// signs is how many signs a process gives in that time.
	signs = 5
	// most is how much is noted at a time, and side how much of it side by side.
	most, side = 512, 32
)

// Room is this process among those that keep the ledger. Its methods are safe for concurrent use.
type Room struct {
	settings Settings
	log      hclog.Logger
	stream   *stream
	silence  time.Duration
	begun    atomic.Bool
	yielded  atomic.Bool    // another process has taken over: this one takes nothing
	unnoted  quiet.Throttle // of what could not be noted
	all      sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	notes map[string]*note // by connection
	queue []*note          // of which something is to be noted, each once

	// the keeper's
	station string
	life    string // the name of this process, or of what it is since it was declared dead
	sign    uint64 // where its last sign is; 0: it has given none
	failing time.Time
	seen    map[string]sighting // of other processes' signs
	taking  *taking             // nil: nothing

	ctx context.Context
	end context.CancelFunc
}

// note is what is noted of a connection.
type note struct {
	id     string
	c      *hub.Connection
	realm  *Realm
	queued bool // guarded by Room.mu
	ended  bool // likewise: it is to be removed

	// the keeper's
	at     uint64 // where it is; 0 is nowhere
	unsure bool   // it may be elsewhere: what was said of it was lost
}

// New makes a room of a host. It notes nothing before Enter.
func New(s Settings) *Room {
	r := &Room{settings: s, log: s.Log, silence: s.Silence, life: newLife(), notes: map[string]*note{},
		seen: map[string]sighting{}, stream: newStream(s.Engine, s.Cluster)}
	if r.silence == 0 {
		r.silence = Silence
	}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

func newLife() string { return strings.ToLower(rand.Text()[:12]) }

// Realm is a realm whose connections are noted. It implements [hub.Watcher].
type Realm struct {
	room *Room
	name atomic.Pointer[string]
}

// Realm has the connections of a realm's hub be noted.
func (r *Room) Realm(name string, h *hub.Hub) *Realm {
	realm := &Realm{room: r}
	realm.Rename(name)
	h.Watch(realm)
	return realm
}

// Rename gives the realm another name. What is noted already keeps the one that it had.
func (r *Realm) Rename(name string) { r.name.Store(&name) }

// Changed implements [hub.Watcher].
func (r *Realm) Changed(c *hub.Connection) {
	there, ended := c.Stage()
	if !there && !ended {
		return
	}
	room := r.room
	room.mu.Lock()
	defer room.mu.Unlock()
	n := room.notes[c.ID()]
	switch {
	case n == nil && ended:
		return
	case n == nil:
		n = &note{id: c.ID(), c: c, realm: r}
		room.notes[n.id] = n
	}
	n.ended = ended
	room.enqueue(n)
}

// enqueue has a note be written, or removed. r.mu is held.
func (r *Room) enqueue(n *note) {
	if !n.queued {
		n.queued = true
		r.queue = append(r.queue, n)
	}
}

// Group implements [hub.Watcher].
func (r *Realm) Group(string, bool) {}

// User implements [hub.Watcher].
func (r *Realm) User(string, bool) {}

// Origin implements [hub.Watcher].
func (r *Realm) Origin(string, bool) {}

// Enter has this process note its connections, and take what dead ones have left. Call it once, when it has its
// connections. It does not wait: the engine may be away.
func (r *Room) Enter() {
	if !r.begun.Swap(true) {
		r.all.Go(r.keep)
	}
}

// Yield has this process take nothing any more, since another one takes over. What it has still stays noted.
func (r *Room) Yield() { r.yielded.Store(true) }

// farewell is how long Close may take to say that all is in order.
const farewell = 3 * time.Second

// Close ends it. What has ended in order is removed, and what has not is left to others.
func (r *Room) Close() {
	r.end()
	r.all.Wait()
	r.unnoted.Flush()
}

// keep is the keeper. It ends with the room.
func (r *Room) keep() {
	tick := time.NewTicker(min(Pace, r.silence/signs))
	defer tick.Stop()
	var due time.Time
	for {
		if now := time.Now(); !now.Before(due) {
			due = now.Add(r.silence / signs)
			r.live()
		}
		if r.sign != 0 {
			r.write(r.ctx)
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.leave()
			return
		}
	}
}

// leave is the keeper's last word.
func (r *Room) leave() {
	if r.taking != nil {
		<-r.taking.ended
	}
	if r.sign == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for ctx.Err() == nil && r.write(ctx) {
	}
	r.mu.Lock()
	left := 0
	for _, n := range r.notes {
		if n.at != 0 || n.unsure {
			left++
		}
	}
	r.mu.Unlock()
	if left > 0 { // its silence will tell
		r.log.Warn("connections are left to other hosts of the cluster, which have their CLOSE handled", "count", left)
		return
	}
	r.stream.remove(ctx, r.sign) // else there is nothing to be taken
}
