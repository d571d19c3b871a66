// Commits: how acts come to the hub, which may confirm them later, from any goroutine, and what waits until then
// (SPEC.md §10.1). The goroutine that reads frames never does.

package workers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/protocol"
)

const (
	// commitPatience is how long acts may wait for those of their stream before them.
	commitPatience = 10 * time.Second
	// pendingOverhead is what one that waits costs beside its acts, or its call's payload.
	pendingOverhead = 512
)

// Why acts, which the hub may never have had, did not take effect.
var (
	errLate    = unavailable("for %v acts of their stream before them were not done", commitPatience)
	errCrowded = unavailable("%d MiB wait already for what is not done", protocol.MaxStaged>>20)
	errLeft    = unavailable("the pool stopped, and it is not known whether they took effect")
)

func unavailable(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{protocol.ErrUnavailable}, a...)...)
}

// How far the hub is with acts. Whoever moves them to confirmed from awaited, or to abandoned, goes on with them.
const (
	gathered  int32 = iota // it does not have them
	handed                 // it has them, and whoever handed them over does not know more
	awaited                // who did so has gone on to other things
	confirmed              // done was called
	abandoned              // nobody waits any more
)

// commits are a worker's acts that have yet to take effect, and its calls that come after them, as it wrote them. mu
// is taken while nothing else is locked, and nothing else while it is held.
type commits struct {
	some atomic.Int32 // the queue's length, for a look without mu

	mu sync.Mutex
	// guarded by mu
	queue   []*pending            // oldest first; what is over may still be behind what is not
	latest  map[*attempt]*pending // the acts of each stream that came last; nil is stream 0
	waiting int                   // bytes of what waits here: acts for those of their stream before them, and calls
	calling bool                  // somebody makes the calls that are first in the queue
}

// pending are acts, or a call.
type pending struct {
	acts    *staging
	of      *attempt    // whose they are; nil on stream 0
	then    func(error) // what follows them; nil: nothing
	since   time.Time
	next    *pending    // the next ones of their stream, which wait for them
	late    error       // why they were dropped before their time came
	unwatch func() bool // ends the watch for the pool's end
	call    func()      // a call's
	size    int         // of what is counted in waiting
	over    bool
}

// promised are the acts of all of a pool's workers that have yet to take effect, also of those that have gone.
type promised struct {
	sync.WaitGroup
	ctx    context.Context // ends when the pool waits no more
	giveUp context.CancelFunc
}

// commit has the hub carry out what is staged, unless acts of its stream are before it. It says whether that has come
// to an end, and to which; else afterwards has to be called. The reader's own.
func (w *worker) commit(s *staging) (settled bool, err error) {
	if w.commits.has(s.of) {
		return false, nil
	}
	if settled, err = w.carryOut(s); settled && err != nil {
		w.tellUncommitted(s, err)
	}
	return settled, err
}

// carryOut hands acts to the hub, and says whether it has confirmed them.
func (w *worker) carryOut(s *staging) (settled bool, err error) {
	hub := w.gen.settings.Hub
	switch {
	case len(s.acts) == 0:
		return true, nil
	case hub == nil:
		args := append(s.named(), "acts", len(s.acts), "first", s.acts[0].Type().String())
		w.voice.say(hclog.Warn, "acts are dropped: nothing here keeps connections", 0, args...)
		return true, nil
	}
	var subject protocol.Subject
	if s.of != nil {
		subject = s.of.x.subject
	}
	s.progress.Store(handed)
	hub.Commit(subject, s.acts, s.done)
	if s.progress.Load() != confirmed {
		return false, nil
	}
	return true, s.err
}

// confirm is the hub's done.
func (s *staging) confirm(err error) {
	s.err = err
	if !s.progress.CompareAndSwap(handed, confirmed) && s.progress.CompareAndSwap(awaited, confirmed) {
		s.worker.conclude(s.pending, err)
	}
}

// afterwards has then called once what was not settled by commit is; nil: nothing follows. The reader's own, or that
// of who comes after it.
func (w *worker) afterwards(s *staging, then func(error)) {
	p := &pending{acts: s, of: s.of, then: then, since: time.Now()}
	if s.progress.Load() == gathered && len(s.acts) > 0 && !w.commits.reserve(p) {
		w.tellUncommitted(s, errCrowded)
		if then == nil {
			s.recycle()
			return
		}
		s.drop()
		p.late = errCrowded
	}
	s.pending = p
	w.pool.promised.Add(1)
	if w.commits.follow(p) {
		return
	}
	settled, err := false, error(nil)
	if s.progress.Load() == gathered { // what was before it came to its end just now
		settled, err = w.start(p)
	} else {
		settled, err = w.awaits(p)
	}
	if settled {
		w.conclude(p, err)
	}
}

// start hands over acts that have waited for others, and says whether they are settled.
func (w *worker) start(p *pending) (settled bool, err error) {
	switch {
	case p.late != nil, len(p.acts.acts) == 0:
		return true, p.late
	case w.pool.promised.ctx.Err() != nil:
		return true, errLeft
	case time.Since(p.since) > commitPatience:
		return true, errLate
	}
	if settled, err = w.carryOut(p.acts); settled {
		return true, err
	}
	return w.awaits(p)
}

// awaits leaves acts that the hub has to whoever calls done, or says that they are settled.
func (w *worker) awaits(p *pending) (settled bool, err error) {
	s := p.acts
	p.unwatch = context.AfterFunc(w.pool.promised.ctx, func() {
		if !s.progress.CompareAndSwap(handed, abandoned) && s.progress.CompareAndSwap(awaited, abandoned) {
			w.conclude(p, errLeft)
		}
	})
	switch {
	case s.progress.CompareAndSwap(handed, awaited):
		return false, nil
	case s.progress.Load() == abandoned:
		return true, errLeft
	}
	return true, s.err
}

// conclude goes on after acts that have taken effect, or failed: with what follows them, and then with what waited for
// them. In whichever goroutine settled them.
func (w *worker) conclude(p *pending, err error) {
	for settled := true; settled; {
		if err != nil && p.late == nil {
			w.tellUncommitted(p.acts, err)
		}
		ours := p.unwatch == nil || p.unwatch() // else that is looking at them
		if p.then != nil {
			p.then(err)
		}
		if ours {
			p.acts.recycle()
		}
		p = w.commits.remove(p)
		w.pool.promised.Done()
		if p == nil {
			break
		}
		settled, err = w.start(p)
	}
	w.commits.makeCalls()
}

// tellUncommitted logs why none of the acts was carried out.
func (w *worker) tellUncommitted(s *staging, err error) {
	args := append(s.named(), "error", excerpt(err.Error()), "acts", len(s.acts))
	const event = "acts could not be carried out, so none of them was"
	if _, flags := s.acts[0].On(); s.of != nil && flags&protocol.FlagNow == 0 {
		w.log.Error(event, args...) // once for an exchange, and all that tells of its loss
	} else {
		w.voice.say(hclog.Error, event, 0, args...)
	}
}

// has says whether acts of the attempt have yet to take effect; nil is stream 0.
func (c *commits) has(a *attempt) bool {
	if c.some.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest[a] != nil
}

// reserve counts acts that have to wait, and says whether there is room for them.
func (c *commits) reserve(p *pending) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := p.acts.size + pendingOverhead
	if c.waiting+size > protocol.MaxStaged {
		return false
	}
	p.size = size
	c.waiting += size
	return true
}

// follow puts acts behind all others, and says whether there are some of their stream that they wait for.
func (c *commits) follow(p *pending) (waits bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.push(p)
	if c.latest == nil {
		c.latest = map[*attempt]*pending{}
	}
	if before := c.latest[p.of]; before != nil {
		before.next, waits = p, true
	} else {
		c.waiting -= p.size
		p.size = 0
	}
	c.latest[p.of] = p
	return waits
}

// push is under mu.
func (c *commits) push(p *pending) {
	c.queue = append(c.queue, p)
	c.some.Store(int32(len(c.queue)))
}

// remove takes out what is settled, and gives what waited for it.
func (c *commits) remove(p *pending) (next *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if next = p.next; next != nil {
		c.waiting -= next.size
		next.size = 0
	} else {
		delete(c.latest, p.of)
	}
	*p = pending{over: true} // it may stay in the queue for a while
	c.trim()
	return next
}

// trim drops from the front what is over. Under mu.
func (c *commits) trim() {
	n := 0
	for n < len(c.queue) && c.queue[n].over {
		c.queue[n] = nil
		n++
	}
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil
	}
	c.some.Store(int32(len(c.queue)))
}

// after makes a call of so many bytes once all that the worker has written before it is in effect. It says false if
// too much waits already. The reader's own.
func (c *commits) after(size int, call func()) bool {
	size += pendingOverhead
	c.mu.Lock()
	if c.waiting+size > protocol.MaxStaged {
		c.mu.Unlock()
		return false
	}
	c.waiting += size
	c.push(&pending{call: call, size: size})
	c.mu.Unlock()
	c.makeCalls()
	return true
}

// makeCalls makes the calls that are first in the queue, one at a time.
func (c *commits) makeCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calling {
		return // who makes one will see
	}
	c.calling = true
	for len(c.queue) > 0 && c.queue[0].call != nil {
		p := c.queue[0]
		c.mu.Unlock()
		p.call()
		c.mu.Lock()
		c.waiting -= p.size
		p.over = true
		c.trim()
	}
	c.calling = false
}

// settleAll waits until all acts have taken effect, but no longer than patience, or ctx. What has not by then fails.
func (p *promised) settleAll(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	settled := make(chan struct{})
	go func() { p.Wait(); close(settled) }() // ends at the latest after giveUp
	select {
	case <-settled:
	case <-ctx.Done():
	}
	p.giveUp()
	<-settled
}
