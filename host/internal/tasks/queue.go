// queue.go: one queue on this host: what it takes out of the engine, and when.

package tasks

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
)

// Where nobody rings, a queue looks for tasks that often, and for places that often.
const (
	glance = 250 * time.Millisecond
	look   = 2 * time.Second
)

// queue takes tasks as long as it has room for them.
type queue struct {
	room     *Room
	settings atomic.Pointer[Queue]
	bell     chan struct{}
	asked    chan chan struct{} // who sends has run look for places and pauses now, and is told when it has
	stopped  chan struct{}
	once     sync.Once
	running  atomic.Int32 // tasks at hand
	paused   atomic.Bool  // as run has seen it last
	stale    atomic.Bool  // there may be places that it does not know
	counted  counters

	// of run
	places    []place // by priority, those of keys last
	looked    time.Time
	allowance float64 // tasks that may begin by the rate
	refilled  time.Time
	away      bool // the engine is, and the log has it
	first     int  // which of the keys' places is asked first, so that none starves
}

// place is one of the queue's in the engine.
type place struct {
	name     string
	consumer jetstream.Consumer
}

func newQueue(r *Room, s *Queue) *queue {
	q := &queue{room: r, bell: make(chan struct{}, 1), asked: make(chan chan struct{}), stopped: make(chan struct{})}
	q.settings.Store(s)
	return q
}

// ring has the queue look for tasks now.
func (q *queue) ring() {
	select {
	case q.bell <- struct{}{}:
	default:
	}
}

// notice returns when run has looked anew, and so takes nothing more out of a queue that was paused before. A queue
// that is not taken from, or an engine that does not answer, is not waited for beyond ctx.
func (q *queue) notice(ctx context.Context) {
	done := make(chan struct{})
	select {
	case q.asked <- done:
	case <-q.stopped:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-q.stopped:
	case <-ctx.Done():
	}
}

func (q *queue) stop() { q.once.Do(func() { close(q.stopped) }) }

// run takes tasks until stop.
func (q *queue) run() {
	ctx, cancel := context.WithCancel(q.room.closed)
	defer cancel()
	defer context.AfterFunc(q.room.closed, q.stop)()
	go func() { // ends with stop
		<-q.stopped
		cancel()
	}()
	var heard *nats.Subscription
	defer func() {
		if heard != nil {
			heard.Unsubscribe()
		}
	}()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		var asker chan struct{}
		select {
		case <-q.stopped:
			return
		case <-q.bell:
		case <-tick.C:
		case asker = <-q.asked:
			q.stale.Store(true)
		}
		err := q.find(ctx, &heard)
		if asker != nil {
			close(asker)
		}
		if err == nil {
			err = q.take(ctx)
		}
		wait := glance
		if err != nil && ctx.Err() == nil {
			wait = time.Second
			if q.looked = (time.Time{}); !q.away {
				q.away = true
				q.room.Log.Warn("no tasks can be taken for now", "queue", q.name(), "error", err)
			}
		} else if q.away {
			q.away = false
			q.room.Log.Info("tasks are taken again", "queue", q.name())
		}
		tick.Reset(wait)
	}
}

func (q *queue) name() string { return q.settings.Load().Name }

// find looks, when it is time, for the queue's places and whether it is paused.
func (q *queue) find(ctx context.Context, heard **nats.Subscription) error {
	if !q.stale.Swap(false) && time.Since(q.looked) < look {
		return nil
	}
	r, name := q.room, q.name()
	err := r.Engine.Again(ctx, func(ctx context.Context, js jetstream.JetStream) error {
		if *heard == nil {
			s, err := js.Conn().Subscribe(r.names.bell(name), func(m *nats.Msg) {
				q.stale.CompareAndSwap(false, len(m.Data) > 0)
				q.ring()
			})
			if err != nil {
				return err
			}
			*heard = s
		}
		if err := r.place(ctx, js, name, "p0"); err != nil { // so that there is a stream
			return err
		}
		stream, err := js.Stream(ctx, r.names.stream)
		if err != nil {
			r.forget(err)
			return err
		}
		if q.places, err = q.list(ctx, stream); err != nil {
			return err
		}
		r.mislay(name, q.places)
		_, err = stream.GetLastMsgForSubject(ctx, r.names.paused(name))
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
			q.paused.Store(err == nil)
			return nil
		}
		return err
	})
	if err == nil {
		q.looked = time.Now()
	}
	return err
}

// list gives the queue's places as the engine has them now.
func (q *queue) list(ctx context.Context, stream jetstream.Stream) (all []place, err error) {
	own := consumer(q.name(), "")
	names := stream.ConsumerNames(ctx)
	for name := range names.Name() {
		at, is := strings.CutPrefix(name, own)
		if !is || !isPlace(at) {
			continue
		}
		i := slices.IndexFunc(q.places, func(p place) bool { return p.name == at })
		if i >= 0 {
			all = append(all, q.places[i])
			continue
		}
		c, err := stream.Consumer(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, place{name: at, consumer: c})
	}
	if err := names.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(priority(b.name), priority(a.name)), -cmp.Compare(a.name, b.name))
	})
	return all, nil
}

// take takes as many tasks as there is room for.
func (q *queue) take(ctx context.Context) error {
	s := q.settings.Load()
	for {
		room := min(s.Concurrency-int(q.running.Load()), q.allowed(s.Rate))
		if room <= 0 || q.paused.Load() || !slices.Contains(s.Backend.Traits().Queues, s.Name) {
			return nil
		}
		took := 0
		for i := range q.places {
			p := q.places[i]
			if priority(p.name) == 0 { // those without a priority, and those of keys, by turns
				zero := slices.IndexFunc(q.places, func(p place) bool { return priority(p.name) == 0 })
				n := len(q.places) - zero
				p = q.places[zero+(i-zero+q.first)%n]
			}
			n, err := q.takeFrom(p, room-took, s)
			if took += n; err != nil {
				return err
			}
			if took == room {
				break
			}
		}
		q.first++
		if s.Rate > 0 {
			q.allowance -= float64(took)
		}
		if took == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// takeFrom takes up to n tasks from a place, without waiting for some to come.
func (q *queue) takeFrom(p place, n int, s *Queue) (took int, err error) {
	batch, err := p.consumer.FetchNoWait(n)
	if err != nil {
		return 0, err
	}
	for m := range batch.Messages() {
		took++
		q.hand(s, p, m)
	}
	err = batch.Error()
	if engine.Away(err) || errors.Is(err, jetstream.ErrConsumerDeleted) ||
		errors.Is(err, jetstream.ErrConsumerNotFound) {
		return took, err
	}
	return took, nil
}

// allowed is how many tasks may begin by the rate.
func (q *queue) allowed(rate float64) int {
	const many = 1 << 20
	if rate <= 0 {
		q.refilled = time.Time{} // a rate that comes later begins then
		return many
	}
	now := time.Now()
	if q.refilled.IsZero() {
		q.allowance = 1
	} else {
		q.allowance = min(q.allowance+now.Sub(q.refilled).Seconds()*rate, max(rate, 1))
	}
	q.refilled = now
	return int(q.allowance)
}
