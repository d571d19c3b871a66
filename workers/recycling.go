// Recycling: a worker that has done its share, is old, or has grown too large is replaced, never in the middle of a
// request and one at a time.

package workers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

const (
	weighEvery = time.Second // how often memory is looked at, whatever the worker does
	// and after a request, unless it was a moment ago: it costs as much as a small request
	weighGap = 50 * time.Millisecond
)

// wear is how much of a worker is used up, and what is done about it.
type wear struct {
	share   share        // fixed at its start
	born    int64        // its memory when it was ready, where there is a limit; fixed before any request
	weighed atomic.Int64 // when its memory was looked at, in Unix nanoseconds
	due     atomic.Int64 // the restartReason that it is being replaced for; 0: it is not
	overdue int          // how often that failed; of whoever made it due
}

// reason is why a worker that is due is being replaced.
func (w *wear) reason() restartReason { return restartReason(w.due.Load()) }

// share is what one worker may use up. Zeros are without a limit. It varies by a tenth from worker to worker, so that
// those that started together are not due together.
type share struct {
	requests int64
	age      time.Duration
}

func (s *Settings) share() share {
	return share{requests: jittered(int64(s.MaxRequests)), age: time.Duration(jittered(int64(s.MaxAge)))}
}

// jittered is n, more or less up to a tenth of it.
func jittered(n int64) int64 {
	tenth := n / 10
	if tenth <= 0 {
		return n
	}
	return n - tenth + rand.Int64N(2*tenth+1)
}

// checkShare recycles the worker if it is due after the request on the stream.
func (w *worker) checkShare(stream uint32, now time.Time) {
	served := int64(stream/2) - int64(len(w.warmups)+len(w.recent)) + 1
	switch {
	case w.wear.share.requests > 0 && served >= w.wear.share.requests || stream > lastStream:
		w.pool.recycle(w, spent)
	case w.wear.share.age > 0 && now.Sub(w.started) > w.wear.share.age:
		w.pool.recycle(w, aged)
	default:
		w.checkMemory(now, weighGap)
	}
}

// watchShare is for a worker that no request comes to, or none ends of many at once. In run.
func (w *worker) watchShare(now time.Time) {
	state := w.dispatchState()
	if state != Idle && (state != Busy || w.offer.concurrency == 1) { // after its request it is looked at anyhow
		return
	}
	if w.wear.share.age > 0 && now.Sub(w.started) > w.wear.share.age {
		w.pool.recycle(w, aged)
		return
	}
	w.checkMemory(now, weighEvery)
}

// checkMemory recycles the worker if it has become too large, unless it was weighed within gap.
func (w *worker) checkMemory(now time.Time, gap time.Duration) {
	limit := w.gen.settings.memoryLimit()
	if limit <= 0 || w.wear.born > limit { // another one would be no smaller
		return
	}
	last := w.wear.weighed.Load()
	if now.UnixNano()-last < int64(gap) || !w.wear.weighed.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	if w.process.Memory() > limit {
		w.pool.recycle(w, bloated)
	}
}

// weighFirst notes how large the worker is before any request, and warns if that is too much already. In run.
func (w *worker) weighFirst() {
	limit := w.gen.settings.memoryLimit()
	if limit <= 0 {
		return
	}
	if w.wear.born = w.process.Memory(); w.wear.born > limit && !w.gen.large {
		w.gen.large = true
		w.log.Warn("worker is larger than max_memory before its first request, so it is not replaced for that; "+
			"raise the limit", "memory", w.wear.born, "limit", limit)
	}
}

// unfit says why a worker that is READY could finish no request of more than a moment; nil if it could.
func (w *worker) unfit() error {
	limit := w.gen.settings.MaxMemoryHard
	if limit <= 0 {
		return nil
	}
	if size := w.process.Memory(); size > limit {
		return fmt.Errorf("it has %d MiB of memory before its first request, and max_memory_hard (%d MiB) would end "+
			"each of them: raise the limit", size>>20, limit>>20)
	}
	return nil
}

// memoryLimit is the size from which a worker gets no more requests; 0 is none.
func (s *Settings) memoryLimit() int64 {
	if s.MaxMemory == 0 || s.MaxMemoryHard > 0 && s.MaxMemoryHard < s.MaxMemory {
		return s.MaxMemoryHard
	}
	return s.MaxMemory
}

// watchSize has a worker that passes MaxMemoryHard in the middle of its requests give them up, and ends it if it does
// not heed that. In run.
func (w *worker) watchSize(attempts []*attempt, now time.Time) {
	limit := w.gen.settings.MaxMemoryHard
	if limit <= 0 || len(attempts) == 0 && w.watched.outgrew.IsZero() {
		return
	}
	size := w.process.Memory()
	if size <= limit {
		w.watched.outgrew = time.Time{}
		return
	}
	if w.watched.outgrew.IsZero() {
		w.watched.outgrew = now
	}
	why := &protocol.Failure{
		Kind: protocol.FailedDied, Detail: fmt.Sprintf("%s took %d MiB of memory, more than max_memory_hard (%d MiB)",
			w, size>>20, limit>>20),
	}
	for _, a := range attempts {
		if !a.isWaiting() { // what waits behind it goes to another worker
			w.interrupt(a, now, why, "request ended: its worker is larger than max_memory_hard", "memory", size,
				"max_memory_hard", limit)
		}
	}
	late := len(attempts) > 0 && now.Sub(w.watched.outgrew) > heedTimeout
	if late && w.offer.concurrency > 1 && w.watched.rises(doomed) { // a drain under way takes too long
		w.pool.tasks.Go(func() { // one request at a time is seen to by overrule
			w.pool.dispatch.withdraw(w, Draining)
			w.tellUnheeded(attempts[0],
				"worker is larger than max_memory_hard and did not heed RESET, it is terminated")
			w.terminate()
		})
	}
}

// recycle replaces a worker for the reason given, once. One at a time in the pool.
func (p *Pool) recycle(w *worker, why restartReason) {
	if w.home.turn == nil || !w.wear.due.CompareAndSwap(0, int64(why)) {
		return // without a turn: it is in no slot that another one could take, and ends with what it is for
	}
	if w.wear.overdue == 0 {
		w.log.Info("worker is due, another one takes its place", "why", why.String(), "requests", w.finished(),
			"age", time.Since(w.started).Round(time.Second).String(), "memory", w.process.Memory())
	}
	go func() { // p.do, from the goroutine that reads the worker's frames, must not wait
		p.do(func() {
			if p.stopping {
				return
			}
			p.tasks.Go(func() {
				p.awaitTurn(w, why)
				defer func() { <-p.turn }()
				if _, err := p.change(w.home, w.gen, w); err != nil && !errors.Is(err, ErrStopping) {
					w.wear.overdue++ // ours alone: it is due
					again := backoffDelay(w.wear.overdue)
					w.log.Error("worker is due but can't be replaced, it stays", "why", why.String(), "error", err,
						"again_in", again.Round(time.Millisecond).String())
					time.AfterFunc(again, func() { w.wear.due.Store(0) })
				}
			})
		})
	}()
}

// awaitTurn returns when no other worker is being recycled. The turn is the caller's then. A worker that is of little
// use meanwhile is not waited for in silence.
func (p *Pool) awaitTurn(w *worker, why restartReason) {
	select {
	case p.turn <- struct{}{}:
		return
	default:
	}
	if why == unresponsive {
		w.log.Warn("worker is replaced once the end of another one is seen to, which may take drain_timeout and "+
			"twice stop_timeout", "drain_timeout", w.gen.settings.DrainTimeout.String(), "stop_timeout",
			w.gen.settings.StopTimeout.String())
	}
	p.turn <- struct{}{}
}

// outlast lets a recycled worker finish all that it has, and ends it. It waits for drain_timeout at most; what takes
// longer goes on, until a RESET is not heeded; else only Stop cuts it.
func (p *Pool) outlast(w *worker) {
	if w.wear.reason() == unresponsive { // it would never be done
		p.retire(w)
		return
	}
	p.dispatch.withdraw(w, Draining)
	w.drain(0)
	w.tellLeaving(w.gen.settings.DrainTimeout)
	if wait.Within(p.dispatch.drained(w), w.gen.settings.DrainTimeout) {
		w.stop()
		return
	}
	w.log.Info("recycled worker has a long request, and ends after it")
	p.tasks.Go(func() {
		select {
		case <-p.dispatch.drained(w):
			w.stop()
		case <-w.end.unheeded: // what it has left may never be done
			p.retire(w)
		}
	})
}
