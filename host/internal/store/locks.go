// locks.go: locks of a realm that are kept in one way.

package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/workerhost/workerhost/host/internal/engine"
	"github.com/workerhost/workerhost/protocol"
)

// locks are a stream with a message for each lock that somebody has.
type locks struct {
	*stream
	room *Room
	told string // stands before a lock's token in the subject on which its release is told

	mu     sync.Mutex
	queues map[string]*queue // by token: who waits in this host
	ears   *nats.Subscription
}

// queue are those in this host who wait for a lock: one tries, and the others wait for their turn.
type queue struct {
	turn  chan struct{} // holds a token while somebody tries
	freed chan struct{} // holds one when the lock has been released since
	count int           // of those who wait; guarded by locks.mu
}

// locksOf are the locks of the kind.
func (r *Room) locksOf(kind string) *locks {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.locks[kind]; l != nil {
		return l
	}
	c := jetstream.StreamConfig{MaxBytes: lockSize, Discard: jetstream.DiscardNew, Storage: jetstream.MemoryStorage}
	if kind == protocol.KindDisk {
		c.Storage = jetstream.FileStorage
	}
	realm := engine.Token(r.settings.Realm)
	subject := "lock." + realm + "." + kind + "."
	c.Subjects = []string{subject + "*"}
	l := &locks{stream: newStream(r.settings.Engine, "LOCK-"+realm+"-"+kind, subject, c), room: r,
		told: "lock-free." + realm + "." + kind + ".", queues: map[string]*queue{}}
	r.locks[kind] = l
	return l
}

// holder gives who has a lock; nil if nobody has, or it was released and the engine has yet to forget that. last is
// what the stream has of it, 0 for nothing.
func (l *locks) holder(ctx context.Context, token string) (h *tenure, last uint64, err error) {
	err = l.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		h, last, err = l.read(ctx, c, token)
		return err
	})
	if h != nil && h.free {
		h = nil
	}
	return h, last, err
}

func (l *locks) read(ctx context.Context, c *nats.Conn, token string) (*tenure, uint64, error) {
	m, seq, err := l.last(ctx, c, token, false)
	if err != nil || m == nil {
		return nil, 0, err
	}
	since, err := time.Parse(time.RFC3339Nano, m.Header.Get(headerTime))
	if err != nil {
		return nil, 0, fmt.Errorf("the engine's time can't be read: %w", err)
	}
	h, err := decodeTenure(m.Data, seq, since)
	return h, seq, err
}

// write puts a tenure in the place of what the stream has of the lock. It says errMoved if that is not last.
func (l *locks) write(ctx context.Context, token string, h *tenure, last uint64, ttl time.Duration) (seq uint64,
	err error) {
	data, tried := h.encode(), false
	err = l.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		m := l.message(token, data, ttl)
		expect(m, last)
		at, err := l.publish(ctx, c, m)
		if errors.Is(err, errMoved) && tried { // perhaps by the try before, whose answer was lost
			now, at, lost := l.read(ctx, c, token)
			if lost != nil {
				return lost
			}
			if now != nil && now.id == h.id {
				seq = at
				return nil
			}
		}
		tried, seq = true, at
		return err
	})
	return seq, err
}

// try takes the lock if nobody has it. It gives who has it otherwise.
func (l *locks) try(ctx context.Context, token string, ttl time.Duration) (got *tenure, other *tenure, err error) {
	for range swaps {
		other, last, err := l.holder(ctx, token)
		if err != nil || other != nil {
			return nil, other, err
		}
		h := &tenure{ttl: ttl, id: rand.Uint64()}
		// Not given up half-way: who has it would not be known.
		seq, err := l.write(context.WithoutCancel(ctx), token, h, last, ttl)
		if err == nil {
			h.seq, h.token = seq, seq
			return h, nil, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, nil, err
		}
	}
	return nil, nil, refuse(protocol.CallUnavailable, "others were faster %d times", swaps)
}

// acquire takes the lock, and waits for it as long as it may; nil: somebody else has it still.
func (l *locks) acquire(ctx context.Context, name string, ttl, wait time.Duration) (*tenure, error) {
	token := engine.Token(name)
	if wait <= 0 {
		got, _, err := l.try(ctx, token, ttl)
		return got, err
	}
	until := time.NewTimer(wait)
	defer until.Stop()
	q, err := l.enter(ctx, token)
	if err != nil {
		return nil, err
	}
	defer l.leave(token, q)
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-until.C:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for {
		select { // what was told before this try has no news
		case <-q.freed:
		default:
		}
		got, other, err := l.try(ctx, token, ttl)
		if err != nil || got != nil {
			return got, err
		}
		select {
		case <-q.freed:
		case <-time.After(pause(other, time.Now())):
		case <-until.C:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pause is how long somebody waits for another one's lock who hears nothing of it: until its time is up. Clocks may
// differ, and the engine takes a moment.
func pause(other *tenure, now time.Time) time.Duration {
	return max(other.since.Add(other.ttl).Sub(now), 0) + 50*time.Millisecond
}

// enter begins to hear of the lock's release.
func (l *locks) enter(ctx context.Context, token string) (*queue, error) {
	if err := l.listen(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[token]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
		l.queues[token] = q
	}
	q.count++
	return q, nil
}

func (l *locks) leave(token string, q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.count--; q.count == 0 {
		delete(l.queues, token)
	}
}

// listen subscribes to what is told of releases, once. The subscription comes back with the connection.
func (l *locks) listen(ctx context.Context) error {
	l.mu.Lock()
	there := l.ears != nil
	l.mu.Unlock()
	if there {
		return nil
	}
	return l.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ears != nil {
			return nil
		}
		sub, err := c.Subscribe(l.told+"*", func(m *nats.Msg) { l.wake(m.Subject[len(l.told):]) })
		l.ears = sub
		return err
	})
}

func (l *locks) wake(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q := l.queues[token]; q != nil {
		select {
		case q.freed <- struct{}{}:
		default:
		}
	}
}

// renew has a lock that is held live for ttl from now on. It says false if the token is not of who has it.
func (l *locks) renew(ctx context.Context, name string, token uint64, ttl time.Duration) (bool, error) {
	return l.replace(ctx, name, token, tenure{token: token, ttl: ttl}, ttl)
}

// freeTime is how long the stream remembers that a lock was released.
const freeTime = time.Second

// release frees a lock that is had. It says false if the token is not of who has it.
func (l *locks) release(ctx context.Context, name string, token uint64) (bool, error) {
	ok, err := l.replace(ctx, name, token, tenure{token: token, free: true}, freeTime)
	var api *jetstream.APIError
	if errors.As(err, &api) && isFull(api) { // there are as many locks as may be: to say that it is free takes room
		ok, err = l.remove(ctx, name, token)
	}
	if ok && err == nil {
		key := engine.Token(name)
		l.wake(key)
		if c, err := l.engine.Conn(ctx); err == nil {
			c.Publish(l.told+key, nil) // those who do not hear it try when its time would have been up
		}
	}
	return ok, err
}

// remove has the stream forget a lock that is had.
func (l *locks) remove(ctx context.Context, name string, token uint64) (ok bool, err error) {
	key := engine.Token(name)
	err = l.again(ctx, func(ctx context.Context, c *nats.Conn) error {
		h, last, err := l.read(ctx, c, key)
		if err != nil || h == nil || h.token != token {
			return err
		}
		n, err := l.purge(ctx, c, l.subject+key, last+1)
		ok = ok || n > 0
		return err
	})
	return ok, err
}

func (l *locks) replace(ctx context.Context, name string, token uint64, next tenure, ttl time.Duration) (bool, error) {
	key := engine.Token(name)
	next.id = rand.Uint64()
	for range swaps {
		h, last, err := l.holder(ctx, key)
		if err != nil || h == nil || h.token != token {
			return false, err
		}
		_, err = l.write(ctx, key, &next, last, ttl)
		if !errors.Is(err, errMoved) {
			return err == nil, err
		}
	}
	return false, refuse(protocol.CallUnavailable, "others were faster %d times", swaps)
}
