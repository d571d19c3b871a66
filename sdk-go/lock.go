// Locks that the host keeps for all workers of the realm (SPEC.md §17.3).

package sdk

import (
	"context"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// LockOptions are how a lock is acquired; the zero value is a lock of 30 seconds that is not waited for.
type LockOptions struct {
	TTL    time.Duration // how long it is had at most, rounded up to whole seconds; 0 is 30 seconds
	Wait   time.Duration // how long to wait if another one has it; those who wait in one host have it in their order
	Keep   bool          // it stays when the handler ends, and the worker: until Release, or its time is up
	Memory bool          // faster, forgotten when the host ends, and another lock than the durable one of that name
}

// Mutex is a lock that this worker has, or had; [Lock] gives it. It is safe for concurrent use.
type Mutex struct {
	ctx   context.Context
	s     *stream // whose handler it ends with; nil: none
	name  string
	kind  string
	token int64

	once sync.Once
}

// lockEnd is how long a release may take that nobody's context bounds.
const lockEnd = 5 * time.Second

// Lock acquires a lock that one worker of the realm has at a time, on whichever host; nil is that another one has
// it still. It is released with the handler of ctx, if that is of a request or an event, and with the worker. Its
// name has 1 to 1024 bytes.
//
// If ctx ends meanwhile the error is its cause; should the lock have been acquired all the same, it is released.
func Lock(ctx context.Context, name string, o LockOptions) (*Mutex, error) {
	c := protocol.LockCall{Method: protocol.CallLockAcquire, Name: name, TTL: lifetime(o.TTL),
		Wait: lifetime(o.Wait), Kind: protocol.KindDisk, Keep: o.Keep}
	if o.TTL == 0 {
		c.TTL = 30_000
	}
	if o.Memory {
		c.Kind = protocol.KindMemory
	}
	l := Connections(ctx).l
	if l == nil {
		return nil, ErrNoHost
	}
	type outcome struct {
		v   protocol.Value
		err error
	}
	got := make(chan outcome, 1)
	asked, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	go func() { // ends with the answer, which comes at the latest when the wait is over, or with the link
		defer giveUp()
		v, err := question(asked, c.Method, c.Arguments())
		got <- outcome{v, err}
	}()
	m := &Mutex{ctx: ctx, name: name, kind: c.Kind}
	select {
	case g := <-got:
		if g.err != nil {
			return nil, g.err
		}
		if m.token, _ = g.v.Int(); m.token == 0 {
			return nil, nil
		}
	case <-ctx.Done():
		go func() { // the same
			if g := <-got; g.err == nil {
				if m.token, _ = g.v.Int(); m.token != 0 {
					_, _ = m.Release() // else it ends with its time, or with the worker
				}
			}
		}()
		return nil, context.Cause(ctx)
	}
	if s, ok := ctx.Value(streamKey{}).(*stream); ok && !o.Keep {
		m.s = s
		s.mu.Lock()
		if s.locks == nil {
			s.locks = map[*Mutex]bool{}
		}
		s.locks[m] = true
		s.mu.Unlock()
	}
	return m, nil
}

// Token is greater than that of whoever had the lock before: give it to what you write to, and have that refuse
// one that is smaller than the greatest it has seen. A worker that was stopped for a while may not know that its
// time is up.
func (m *Mutex) Token() int64 { return m.token }

// Renew keeps it for so long from now on, rounded up to whole seconds. It says false if it is not had any more.
func (m *Mutex) Renew(ttl time.Duration) (bool, error) {
	return m.change(&protocol.LockCall{Method: protocol.CallLockRenew, TTL: lifetime(ttl)})
}

// Release gives it up, and has the next one of those who wait have it. It says false if it was not had any more, and
// the second time. It does so also when the context of [Lock] has ended.
func (m *Mutex) Release() (was bool, err error) {
	m.once.Do(func() {
		if m.s != nil {
			m.s.mu.Lock()
			delete(m.s.locks, m)
			m.s.mu.Unlock()
		}
		was, err = m.change(&protocol.LockCall{Method: protocol.CallLockRelease})
	})
	return was, err
}

func (m *Mutex) change(c *protocol.LockCall) (was bool, err error) {
	c.Name, c.Token, c.Kind = m.name, m.token, m.kind
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), lockEnd)
	defer cancel()
	v, err := question(ctx, c.Method, c.Arguments())
	if err == nil {
		err = v.DecodeInto(&was)
	}
	return was, err
}

// unlock gives up what locks the handler has left, after DONE.
func (s *stream) unlock() {
	for {
		s.mu.Lock()
		var one *Mutex
		for m := range s.locks {
			one = m
			break
		}
		s.mu.Unlock()
		if one == nil {
			return
		}
		_, _ = one.Release() // else it ends with its time, or with the worker
	}
}
