// room.go: the queues of a realm, and their stream in the engine.

package tasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
)

// Settings are a room's.
type Settings struct {
	Engine *engine.Engine
	Log    hclog.Logger
	// Ended is called when an attempt has ended, from any goroutine; it must not wait. nil is nobody's.
	Ended func(*Record)
}

// Queue is a queue as the configuration has it.
type Queue struct {
	Name    string
	Pool    string      // whose workers handle it
	Backend hub.Backend // that pool's

	Concurrency int             // tasks at once, on this host
	Attempts    int             // that a task has
	Backoff     []time.Duration // before the second attempt, the third …; the last counts for all that follow
	Timeout     time.Duration   // for how long its worker may be silent; 0 is as the pool has it
	KeepFailed  time.Duration   // for how long failed ones are kept; 0 is for ever
	Rate        float64         // tasks that begin in a second, on this host, at most; 0 is without a limit
}

// Room has the queues of a realm. Its methods are safe for concurrent use.
type Room struct {
	Settings
	names names
	gate  chan struct{} // of commits under way

	closed context.Context
	close  context.CancelFunc
	tasks  sync.WaitGroup // whatever the room has running
	lease  sync.Once

	mu sync.Mutex
	// guarded by mu
	queues  map[string]*queue
	places  map[string]bool // consumers that are there
	stood   bool            // the stream is there
	started bool
	ending  bool           // no task begins
	over    bool           // and no end is told
	hands   map[*task]bool // at hand
}

// mostCommits is how many pushes may wait for the engine.
const mostCommits = 1024

// New makes a room without queues. It asks nothing of the engine before there are some.
func New(s Settings) *Room {
	r := &Room{Settings: s, gate: make(chan struct{}, mostCommits),
		queues: map[string]*queue{}, places: map[string]bool{}, hands: map[*task]bool{}}
	r.closed, r.close = context.WithCancel(context.Background())
	return r
}

// Configure has the room be of these queues of a realm, whose name counts when the first ones come. One that is there
// goes on with its new settings; one that is not among them ends: its tasks stay where they are.
func (r *Room) Configure(realm string, all []Queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending {
		return
	}
	if r.names.stream == "" && len(all) > 0 {
		r.names = namesOf(realm)
	}
	for name, q := range r.queues {
		if !slices.ContainsFunc(all, func(s Queue) bool { return s.Name == name }) {
			q.stop()
			delete(r.queues, name)
		}
	}
	for _, s := range all {
		if q := r.queues[s.Name]; q != nil {
			q.settings.Store(&s)
			q.ring()
			continue
		}
		q := newQueue(r, &s)
		r.queues[s.Name] = q
		if r.started {
			r.tasks.Go(q.run) // ends with q.stop
		}
	}
	if r.started && len(all) > 0 {
		r.lease.Do(func() { r.tasks.Go(r.renew) })
	}
}

// Start has tasks be taken. Before that they are only pushed. Once is enough.
func (r *Room) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started || r.ending {
		return
	}
	r.started = true
	for _, q := range r.queues {
		r.tasks.Go(q.run)
	}
	if len(r.queues) > 0 {
		r.lease.Do(func() { r.tasks.Go(r.renew) })
	}
}

// Has says whether there are queues.
func (r *Room) Has() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queues) > 0
}

// find gives a queue; nil if there is none.
func (r *Room) find(name string) *queue {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queues[name]
}

// list gives all queues, by their names.
func (r *Room) list() (all []*queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.queues)) {
		all = append(all, r.queues[name])
	}
	return all
}

// errUnknown is for a queue that the configuration does not have.
type errUnknown struct{ queue string }

func (e *errUnknown) Error() string {
	return fmt.Sprintf("there is no queue %q: write [queue.%s] into host.toml, and reload", e.queue, e.queue)
}

// place sees to it that a place of a queue has its consumer.
func (r *Room) place(ctx context.Context, js jetstream.JetStream, queue, place string) error {
	name := consumer(queue, place)
	r.mu.Lock()
	there, stood := r.places[name], r.stood
	r.mu.Unlock()
	if there {
		return nil
	}
	if !stood {
		if err := r.stand(ctx, js); err != nil {
			return err
		}
	}
	_, err := js.CreateOrUpdateConsumer(ctx, r.names.stream, r.consumer(queue, place))
	if err != nil {
		r.forget(err)
		return err
	}
	r.mu.Lock()
	r.places[name] = true
	r.mu.Unlock()
	r.ring(ctx, queue, true)
	return nil
}

// ackWait is after what silence of its host a task is given out anew; renewal is how often that says something.
const (
	ackWait = 30 * time.Second
	renewal = 8 * time.Second
)

func (r *Room) consumer(queue, place string) jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		Durable: consumer(queue, place), FilterSubject: r.names.live(queue, "*", "ready", place),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: -1,
		MaxWaiting: 512,
	}
	if place[0] == 'k' {
		c.MaxAckPending = 1 // so one of a key at a time
	}
	return c
}

// repetition is how long the engine knows a push by its name: longer than one is tried for, and no longer than need
// be, since each name costs memory.
const repetition = 4 * engine.Patience

// stand makes the stream, or finds it.
func (r *Room) stand(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        r.names.stream,
		Description: "tasks of the realm " + r.names.realm,
		Subjects:    []string{r.names.prefix + "live.>", r.names.prefix + "failed.>", r.names.prefix + "paused.>"},
		Retention:   jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		MaxMsgsPerSubject: 1, AllowAtomicPublish: true, AllowMsgSchedules: true, AllowMsgTTL: true,
		AllowRollup: true, Duplicates: repetition, Replicas: r.Settings.Engine.Replicas(),
	})
	if err == nil {
		r.mu.Lock()
		r.stood = true
		r.mu.Unlock()
	}
	return err
}

// forget has what is in the engine be looked for anew, where an error says that it is not there.
func (r *Room) forget(err error) {
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
		r.mu.Lock()
		r.stood = false
		clear(r.places)
		r.mu.Unlock()
	}
}

// mislay has places of a queue be made anew that the engine has no more: somebody may have removed them there.
func (r *Room) mislay(queue string, there []place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.places, func(name string, _ bool) bool {
		at, is := strings.CutPrefix(name, consumer(queue, ""))
		return is && isPlace(at) && !slices.ContainsFunc(there, func(p place) bool { return p.name == at })
	})
}

// ring tells the hosts that a queue has something new, be it a task or, with all, a place or a pause.
func (r *Room) ring(ctx context.Context, queue string, all bool) {
	var what []byte
	if all {
		what = []byte("all")
	}
	if q := r.find(queue); q != nil {
		q.stale.CompareAndSwap(false, all)
		q.ring()
	}
	if conn, err := r.Engine.Conn(ctx); err == nil {
		conn.Publish(r.names.bell(queue), what) // who does not hear it looks by itself after a while
	}
}

// Leave has no task begin any more: those that wait for a worker are given back, for other hosts or the next start.
// Those that workers have go on; pushes do until the engine ends.
func (r *Room) Leave() {
	r.mu.Lock()
	r.ending = true
	for _, q := range r.queues {
		q.stop()
	}
	r.mu.Unlock()
	r.giveBack()
}

// Close leaves, and waits until the engine knows how the tasks at hand have ended, until ctx is done. Of what is left
// the engine will think that it has no host any more.
func (r *Room) Close(ctx context.Context) {
	r.Leave()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for left := ctx; r.atHand() > 0 && left.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.close()
	r.tasks.Wait()
}

// spawn runs what the room waits for, unless it is over.
func (r *Room) spawn(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.tasks.Go(do)
	}
}

func (r *Room) atHand() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.hands)
}

// renew tells the engine, as long as the room is there, that its tasks are at hand.
func (r *Room) renew() {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		select {
		case <-r.closed.Done():
			return
		case <-tick.C:
			r.mu.Lock()
			hands := slices.Collect(maps.Keys(r.hands))
			r.mu.Unlock()
			for _, t := range hands {
				t.message.InProgress() // one that fails is made up for by the next
			}
		}
	}
}
