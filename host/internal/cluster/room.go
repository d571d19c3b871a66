// room.go: this host as one of several.

package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/protocol"
)

// Settings say which host of which cluster this is.
type Settings struct {
	Cluster string // its name
	Host    string // this host's, for people
	Version string // of its program, likewise
	// Station is the name of this host's place, which is no other host's: [engine.Station].
	Station func() (string, error)
	// Conn is the way to the others: [engine.Engine.Conn].
	Conn func(context.Context) (*nats.Conn, error)
	// State says how this host is, in a word, for people.
	State func() string
	// Obey carries out what another host has ordered, and calls part with what it answers, the last time with the end;
	// nil: it does not.
	Obey func(ctx context.Context, o Order, part func(Part))
	// Purge forgets what another host was asked to, of the realm of that name, without waiting; nil: there is nothing
	// to forget.
	Purge func(realm string, m *protocol.Purge)
	Log   hclog.Logger
}

// Room is this host as one of several. Its methods are safe for concurrent use.
type Room struct {
	settings Settings
	log      hclog.Logger
	life     string // of this process, no other's
	prefix   string // of all subjects
	station  atomic.Value
	begun    atomic.Bool // this process is the station
	yielded  atomic.Bool // another process is, or none

	speech speech
	wants  wants
	heard  chan *nats.Msg // of all subscriptions
	subs   map[string]*nats.Subscription

	unsaid quiet.Throttle // of what could not be told

	mu sync.Mutex
	// guarded by mu
	realms    map[string]*Realm  // by name
	members   map[string]*member // by station
	questions map[string]*question
	errands   map[string]*errand
	serial    uint64

	ctx  context.Context
	end  context.CancelFunc
	done sync.WaitGroup
}

// New makes a room of a host. It says nothing, and hears nothing, before Enter.
func New(s Settings) *Room {
	r := &Room{
		settings: s, log: s.Log, life: strings.ToLower(rand.Text()[:12]),
		prefix: "workerhost." + engine.Token(s.Cluster) + ".", heard: make(chan *nats.Msg, heardMost),
		subs: map[string]*nats.Subscription{}, realms: map[string]*Realm{}, members: map[string]*member{},
		questions: map[string]*question{}, errands: map[string]*errand{},
	}
	r.station.Store("")
	r.speech.stirs = make(chan struct{}, 1)
	r.wants.all, r.wants.taken, r.wants.changed = map[string]bool{}, map[string]bool{}, map[string]struct{}{}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

// heardMost is how many messages may wait to be handled: the hubs take them in microseconds each.
const heardMost = 1 << 16

// Realm has a realm's hub be one with those of the same name on other hosts. It is what the workers of its pools are
// to ask in place of the hub.
func (r *Room) Realm(name string, h *hub.Hub) *Realm {
	realm := &Realm{room: r, hub: h}
	realm.name.Store(name)
	r.mu.Lock()
	r.realms[name] = realm
	r.mu.Unlock()
	r.wants.want(realm.subject(byOrigin, h.Prefix()), true)
	r.wants.want(realm.subject(forAll, ""), true)
	h.Watch(watcher{realm})
	r.speech.stir()
	return realm
}

// Enter has this process be its station: it hears what others tell, and is asked. Call it once, when this host has its
// connections. It does not wait: the engine may be away.
func (r *Room) Enter() {
	if r.begun.Swap(true) {
		return
	}
	for _, subject := range []string{subjectBeats, subjectAsked, subjectReplies + r.life + ".*",
		subjectOrders + r.life} {
		r.wants.want(r.prefix+subject, true)
	}
	r.done.Go(r.speak)
	r.done.Go(r.hear)
	r.done.Go(r.beat)
}

// Yield leaves the station to another process, which takes over. This one's workers go on telling and asking until
// Close; nobody asks it any more, nor orders anything but to say what came of what was ordered before.
func (r *Room) Yield() {
	if r.yielded.Swap(true) {
		return
	}
	r.wants.only(func(subject string) bool {
		return subject == r.prefix+subjectBeats || subject == r.prefix+subjectOrders+r.life ||
			strings.HasPrefix(subject, r.prefix+subjectReplies)
	})
	r.speech.stir()
}

// Close ends it. Unless it has yielded, the others learn that this host goes.
func (r *Room) Close() {
	if r.begun.Load() {
		r.finish()
		if !r.yielded.Load() {
			r.sayGone()
		}
	}
	r.end()
	r.done.Wait()
}

// Kinds of subjects, behind the prefix.
const (
	subjectBeats   = "beat"
	subjectAsked   = "ask"
	subjectReplies = "reply."
	subjectOrders  = "order."

	forAll   = "all"
	byGroup  = "group"
	byUser   = "user"
	byOrigin = "from"
)

// prepare finds out which station this is, and waits until the engine can be reached; nil: it ends.
func (r *Room) prepare() *nats.Conn {
	said := false
	for try := 0; ; try++ {
		station, err := r.settings.Station()
		if err == nil {
			r.station.Store(station)
			var conn *nats.Conn
			if conn, err = r.settings.Conn(r.ctx); err == nil {
				return conn
			}
		}
		if r.ctx.Err() != nil {
			return nil
		}
		if !said {
			r.log.Warn("this host is on its own until the engine of the cluster can be reached", "error", err)
			said = true
		}
		select {
		case <-time.After(min(time.Second, 50*time.Millisecond<<min(try, 5))):
		case <-r.ctx.Done():
			return nil
		}
	}
}

// own is the name of this host's station; "" before it is known.
func (r *Room) own() string { return r.station.Load().(string) }

// realmOf is the realm of a subject, and which of its kinds that is.
func (r *Room) realmOf(subject string) (realm *Realm, kind string, err error) {
	rest, ok := strings.CutPrefix(subject, r.prefix+"realm.")
	token, kind, cut := strings.Cut(rest, ".")
	name, sound := engine.Name(token)
	if !ok || !cut || !sound {
		return nil, "", fmt.Errorf("%q is no subject of this cluster", subject)
	}
	kind, _, _ = strings.Cut(kind, ".")
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.realms[name], kind, nil
}
