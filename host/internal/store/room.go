// room.go: the stores and the locks of a realm.

package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// Terms are what the configuration says of a store.
type Terms struct {
	Disk    bool // else it is in memory
	Sync    bool // on disk: each change is there before it is confirmed
	MaxSize int64
	Evict   bool          // when it is full the oldest values go; else what is new is refused
	TTL     time.Duration // of values that say none; 0: they stay
}

// Settings are of a room.
type Settings struct {
	Engine *engine.Engine
	Realm  string
	// Terms are those of a store by its name; false: nobody has declared it, and it is one of those that share the
	// realm's memory.
	Terms func(name string) (Terms, bool)
	Log   hclog.Logger
}

// Undeclared are the terms of what the stores share that nobody has declared.
var Undeclared = Terms{MaxSize: 64 << 20, Evict: true}

// lockSize bounds the locks of a realm and a kind, in bytes: about a hundred thousand.
var lockSize int64 = 16 << 20

// Room has them. It is safe for concurrent use.
type Room struct {
	settings Settings
	life     uint64            // of this process's room, no other's
	stripes  [64]chan struct{} // each holds a token while one of its keys is being changed
	counts   counts

	mu     sync.Mutex
	stores map[string]*bucket // those that are declared
	common *stream            // of all others; nil until one is used
	locks  map[string]*locks  // by kind
	bonds  map[bond]*tie
	sweep  int // how many bonds there are when those are looked for whose locks have ended
}

// New makes a room. Nothing starts in the engine before a worker asks.
func New(s Settings) *Room {
	r := &Room{settings: s, life: rand.Uint64(), stores: map[string]*bucket{}, locks: map[string]*locks{}}
	for i := range r.stripes {
		r.stripes[i] = make(chan struct{}, 1)
	}
	return r
}

// bucket is a store, as its terms have it now.
type bucket struct {
	*stream
	room     *Room
	terms    Terms // as Settings.Terms gave them
	declared bool
}

// bucket is the store of that name.
func (r *Room) bucket(name string) *bucket {
	terms, declared := r.settings.Terms(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.stores[name]
	if b != nil && b.declared == declared && b.terms == terms {
		return b
	}
	b = &bucket{room: r, terms: terms, declared: declared}
	realm, token := engine.Token(r.settings.Realm), engine.Token(name)
	if declared {
		kind := "m"
		if terms.Disk {
			kind = "d"
		}
		subject := "store." + realm + "." + kind + "." + token + "."
		b.stream = newStream(r.settings.Engine, "STORE-"+realm+"-"+token+"-"+kind, subject, terms.config(subject+"*"))
		r.stores[name] = b
		return b
	}
	if r.common == nil {
		subject := "store." + realm + ".u."
		r.common = newStream(r.settings.Engine, "STORE-"+realm, subject, Undeclared.config(subject+">"))
	}
	// Not kept: a worker may make up any number of names.
	b.stream = r.common.within(token + ".")
	return b
}

// config is what a stream of those terms is.
func (t *Terms) config(subject string) jetstream.StreamConfig {
	c := jetstream.StreamConfig{Subjects: []string{subject}, MaxBytes: t.MaxSize, Storage: jetstream.MemoryStorage,
		Discard: jetstream.DiscardNew}
	if t.Evict {
		c.Discard = jetstream.DiscardOld
	}
	if t.Disk {
		if c.Storage = jetstream.FileStorage; !t.Sync {
			c.PersistMode = jetstream.AsyncPersistMode
		}
	}
	return c
}

// refusal is an error with the code that a worker gets.
type refusal struct {
	code protocol.CallCode
	why  string
}

func (r *refusal) Error() string { return r.why }

func refuse(code protocol.CallCode, format string, a ...any) error {
	return &refusal{code, fmt.Sprintf(format, a...)}
}

// asRefusal says what a worker is told of an error. changes: what it asked for may have been done.
func asRefusal(err error, changes bool) *refusal {
	var no *refusal
	var api *jetstream.APIError
	switch {
	case errors.As(err, &no):
		return no
	case errors.Is(err, context.Canceled):
		return &refusal{protocol.CallCancelled, "nobody waits for it any more"}
	case errors.As(err, &api) && isFull(api):
		return &refusal{protocol.CallExhausted, fmt.Sprintf("there is no room for it: %s (see max_size of the store, "+
			"and [engine] max_memory and max_disk)", api.Description)}
	case engine.Away(err) && changes:
		return &refusal{protocol.CallInternal, fmt.Sprintf("%v; whether it was done is not known", err)}
	case engine.Away(err):
		return &refusal{protocol.CallUnavailable, err.Error()}
	}
	return &refusal{protocol.CallInternal, err.Error()}
}

// isFull says whether an error of the engine's means that there is no room for something.
func isFull(err *jetstream.APIError) bool {
	switch err.ErrorCode {
	case 10023, 10028, 10047, 10122: // resources, memory, storage; the most that a stream may have
		return true
	case 10077: // the message can't be stored
		return strings.Contains(err.Description, "maximum") || strings.Contains(err.Description, "space")
	}
	return false
}
