// room.go: the way of what is committed, from the queue through the engine to the hub.

package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// readers is of how many clients' histories something is in memory at once before their turn comes.
const readers = 16

// together is how many commits are written to the engine before the first of them has its word.
const together = 256

// Hub carries out what is committed; [hub.Hub] is one.
type Hub interface {
	CarryMore(subject protocol.Subject, acts []protocol.Act, more []hub.More) (carried bool, err error)
	Later(subject protocol.Subject, acts []protocol.Act, done func(error))
}

// Room keeps the channels of one realm. It implements [hub.Channels]. Its methods are safe for concurrent use.
type Room struct {
	hub    Hub
	engine *engine.Engine
	log    hclog.Logger
	terms  atomic.Pointer[terms]
	counts counters
	reads  chan struct{} // places of those who hold what was read for them
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	queue   []*item
	running bool

	// run's alone
	history history
	away    bool // the engine has been waited for in vain
}

// Counts are what a room has done.
type Counts struct {
	Kept      int64 // messages that went into a history
	Failed    int64 // that could not
	Recovered int64 // messages that clients got later
	Returned  int64 // clients that came back with a position
	Lost      int64 // of those, who were told that something may be missing
}

type counters struct{ kept, failed, recovered, returned, lost atomic.Int64 }

// item is what was committed together.
type item struct {
	subject protocol.Subject
	acts    []protocol.Act
	done    func(error)
	joins   []*joining
	writes  []*write
	reads   bool // it has one of Room.reads' places, until it is finished
}

// joining is a JOIN whose client says where it was, or wants to know where it is.
type joining struct {
	act    int
	groups []string // that have a history
	since  position
	known  bool                // since says something
	read   map[string][]stored // what was read before its turn, of those that could be
	size   int                 // bytes of messages that were read
}

// NewRoom makes a room without rules. realm is its name in the engine.
func NewRoom(h Hub, e *engine.Engine, realm string, log hclog.Logger) *Room {
	r := &Room{hub: h, engine: e, log: log, reads: make(chan struct{}, readers)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	token := engine.Token(realm)
	r.history = history{engine: e, clock: time.Now, stream: "channels-" + token, prefix: "channels." + token + ".",
		last: map[string]uint64{}}
	r.Set(nil)
	return r
}

// Set has rules in place of those before. What is kept already stays for as long as it was to.
func (r *Room) Set(rules []Rule) { r.terms.Store(newTerms(rules)) }

// Close gives up what waits, and returns when all has ended.
func (r *Room) Close() {
	r.cancel()
	r.all.Wait()
}

// Counts are what it has done so far.
func (r *Room) Counts() Counts {
	c := &r.counts
	return Counts{c.kept.Load(), c.failed.Load(), c.recovered.Load(), c.returned.Load(), c.lost.Load()}
}

// Kept are how many channels have messages that are kept, and how many these are. known is false where the engine is
// not there, or not yet: nothing is started for this question.
func (r *Room) Kept(ctx context.Context) (channels, messages uint64, known bool) {
	if !r.engine.Status().Connected {
		return 0, 0, false
	}
	err := r.engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		made, err := js.Stream(ctx, r.history.stream)
		if err == nil {
			state := made.CachedInfo().State
			channels, messages = state.NumSubjects, state.Msgs
		}
		return err
	})
	return channels, messages, err == nil || errors.Is(err, jetstream.ErrStreamNotFound)
}

// Keeps implements [hub.Channels].
func (r *Room) Keeps(group string) bool { return r.terms.Load().keeps(group) }

func (t *terms) keeps(group string) bool {
	rule := t.of(group)
	return rule != nil && rule.History > 0
}

// Commit implements [hub.Channels].
func (r *Room) Commit(subject protocol.Subject, acts []protocol.Act, done func(error)) {
	i := &item{subject: subject, acts: acts, done: done}
	t := r.terms.Load()
	reads := false
	for n, a := range acts {
		m, ok := a.(*protocol.Join)
		if !ok || m.Since == nil {
			continue
		}
		j := &joining{act: n, read: map[string][]stored{}}
		j.since, j.known = parse(*m.Since)
		for _, g := range m.Groups {
			if t.keeps(g) && !slices.Contains(j.groups, g) {
				j.groups = append(j.groups, g)
			}
		}
		i.joins = append(i.joins, j)
		reads = reads || j.known && len(j.groups) > 0
	}
	if !reads {
		r.enqueue(i)
		return
	}
	r.all.Go(func() {
		r.reads <- struct{}{}
		ctx, cancel := context.WithTimeout(r.ctx, engine.Patience)
		for _, j := range i.joins {
			if j.known {
				r.history.readFirst(ctx, j)
			}
		}
		cancel()
		i.reads = true
		r.enqueue(i)
	})
}

func (r *Room) enqueue(i *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, i)
	if !r.running {
		r.running = true
		r.all.Go(r.run) // ends when nothing waits
	}
}

// next takes what is to be done together: what only sends, or one with a client that comes. all says that nothing may
// be left.
func (r *Room) next(all bool) (some []*item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(r.queue) && (all || n < together && len(r.queue[n].joins) == 0) {
		n++
	}
	if n == 0 && len(r.queue) > 0 {
		n = 1
	}
	some = slices.Clone(r.queue[:n])
	r.queue = slices.Delete(r.queue, 0, n)
	if len(some) == 0 {
		r.queue, r.running = nil, false
	}
	return some
}

// run does what waits, in order.
func (r *Room) run() {
	for {
		batch := r.next(false)
		if len(batch) == 0 {
			return
		}
		t := r.terms.Load()
		ctx, cancel := context.WithTimeout(r.ctx, r.patience())
		err := r.history.prepare(ctx, t)
		if r.away = engine.Away(err); err == nil {
			r.write(ctx, t, batch)
		} else {
			batch = append(batch, r.next(true)...) // nobody waits for a second time
		}
		for _, i := range inOrder(batch) {
			r.finish(ctx, i, err)
			if i.reads {
				<-r.reads
			}
		}
		cancel()
	}
}

// inOrder puts what is in the stream into the stream's order. It differs from the queue's where the engine went away
// in the middle, and had kept later ones of those that were then written again.
func inOrder(batch []*item) []*item {
	first := func(i *item) uint64 {
		if len(i.writes) == 0 {
			return 0
		}
		return i.writes[0].seq
	}
	slices.SortStableFunc(batch, func(a, b *item) int { return cmp.Compare(first(a), first(b)) })
	return batch
}

// patience is how long the engine is waited for. Whoever stands behind those who have waited in vain does not wait as
// long again.
func (r *Room) patience() time.Duration {
	if r.away {
		return engine.Patience / 10
	}
	return engine.Patience
}

// write has the engine keep what the items send to channels, and notes what it says of each.
func (r *Room) write(ctx context.Context, t *terms, batch []*item) {
	var all []*write
	for _, i := range batch {
		for n, a := range i.acts {
			m, ok := a.(*protocol.Send)
			if !ok || m.To != protocol.ToGroups {
				continue
			}
			ws := writesOf(t, m)
			for _, w := range ws {
				w.act = n
			}
			i.writes = append(i.writes, ws...)
		}
		all = append(all, i.writes...)
	}
	r.history.write(ctx, all)
}

// finish has the hub carry out what the engine has, or says why that can't be.
func (r *Room) finish(ctx context.Context, i *item, err error) {
	for _, w := range i.writes {
		if err == nil && w.err != nil {
			err = fmt.Errorf("the history of %q can't have this: %w", w.group, w.err)
		}
	}
	if err != nil && r.sends(i) {
		r.history.undo(i.writes)
		r.counts.failed.Add(1)
		if engine.Away(err) {
			err = fmt.Errorf("%w: %w", protocol.ErrUnavailable, err)
		}
		i.done(err)
		return
	}
	more := make([]hub.More, len(i.acts))
	for _, w := range i.writes {
		at := hub.Place{Channel: w.group, Position: position{w.seq, w.at}.String()}
		more[w.act].Places = append(more[w.act].Places, at)
	}
	for _, j := range i.joins {
		r.catchUp(ctx, i, j, err, &more[j.act])
	}
	carried, err := r.hub.CarryMore(i.subject, i.acts, more)
	if !carried || err != nil {
		r.history.undo(i.writes)
	} else {
		r.counts.kept.Add(int64(len(i.writes)))
	}
	if !carried {
		r.hub.Later(i.subject, i.acts, i.done)
		return
	}
	i.done(err)
}

// sends says whether an item has something to keep.
func (r *Room) sends(i *item) bool {
	return slices.ContainsFunc(i.acts, func(a protocol.Act) bool {
		m, ok := a.(*protocol.Send)
		return ok && m.To == protocol.ToGroups && slices.ContainsFunc(m.Names, r.Keeps)
	})
}

// catchUp finds what a client missed. It is in its groups in any case, and told if that is not all.
func (r *Room) catchUp(ctx context.Context, i *item, j *joining, err error, more *hub.More) {
	if len(j.groups) == 0 {
		return
	}
	before := ^uint64(0) // what this commit sends later comes by itself
	for _, w := range i.writes {
		if w.act > j.act {
			before = min(before, w.seq)
		}
	}
	var past []stored
	if err == nil && j.known {
		past, more.Lost, err = r.history.missed(ctx, r.terms.Load(), j, before)
	}
	if err != nil {
		r.log.Warn("a client comes into channels whose histories can't be read", "channels", j.groups, "error", err)
		if j.known {
			more.Lost = j.groups
		}
	}
	if err == nil {
		more.Position = r.history.position(before).String()
	}
	for _, m := range past {
		more.Past = append(more.Past, hub.Past{
			Place: hub.Place{Channel: m.group, Position: position{m.seq, m.at}.String()},
			Data:  m.data, Binary: m.binary})
	}
	if j.known {
		r.counts.returned.Add(1)
		r.counts.recovered.Add(int64(len(past)))
		if len(more.Lost) > 0 {
			r.counts.lost.Add(1)
		}
	}
}
