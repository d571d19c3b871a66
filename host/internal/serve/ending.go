// ending.go is how a host ends: when it is asked to, in which order its parts go, and how long each of them may take.

package serve

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// teardown is what has to be done to take down what was built, in the order of building.
type teardown []func()

func (t *teardown) add(step func()) { *t = append(*t, step) }

// run takes everything down, the last first; a step that panics keeps none from its turn.
func (t *teardown) run() {
	for _, step := range *t {
		defer step()
	}
}

// shutDown stops accepting, lets requests in flight finish within their pool's drain_timeout, and then stops the
// workers.
func (h *host) shutDown() {
	h.renounce()
	h.leaveFiles()
	h.notify.ends()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	endRuns := h.endPrograms()
	h.leaveTasks()
	var all sync.WaitGroup
	for _, l := range h.listeners() {
		all.Go(func() {
			if !h.drain(l) {
				for _, p := range l.pools {
					p.cut.Store(true)
				}
			}
		})
	}
	h.shutDials(&all)
	all.Wait()
	h.drained()
	for _, p := range h.pools() {
		all.Go(func() {
			ctx := h.now
			if p.cut.Load() { // it has had its time: what does not heed the cancellation is killed
				limited, cancel := context.WithTimeout(h.now, p.config().StopTimeout)
				defer cancel()
				ctx = limited
			}
			h.stopPool(p, ctx)
		})
	}
	all.Wait()
	h.closeTasks()
	endRuns()
}

// overdue is how much longer than its own time-outs say a step of a stop may take.
const overdue = 10 * time.Second

// bounded takes a step of a stop. What takes longer than limit, or goes on though the host stops at once, is left
// behind when it is overdue: a process that the kernel does not let go of must not keep the host from its end.
func (h *host) bounded(what string, limit time.Duration, step func()) {
	done := make(chan struct{})
	go func() { // ends with the step, or with the program
		defer close(done)
		step()
	}()
	late := time.NewTimer(limit + overdue)
	defer late.Stop()
	select {
	case <-done:
		return
	case <-late.C:
	case <-h.now.Done():
		late.Reset(overdue)
		select {
		case <-done:
			return
		case <-late.C:
		}
	}
	h.log.Error("left behind, since it does not end", "what", what)
}

// stopPool ends a pool, at once when now ends, and names the requests that were cut as far as it knows in time.
func (h *host) stopPool(p *pool, now context.Context) (cut []string) {
	c := p.config() // the queue has its time, then the workers, and then each of them to go
	told := make(chan []string, 1)
	h.bounded("the workers of pool "+p.name, 2*c.DrainTimeout+3*c.StopTimeout, func() { told <- p.stop(now) })
	select {
	case cut = <-told:
	default: // left behind
	}
	return cut
}

// drain closes a listener when its last request has ended, or is cut. It says whether all of them ended.
func (h *host) drain(l *listener) (whole bool) {
	limit := h.pools()[0].config().DrainTimeout // of a listener without pools
	for i, p := range l.pools {
		if own := p.config().DrainTimeout; i == 0 || own > limit {
			limit = own
		}
	}
	ctx, cancel := context.WithTimeout(h.now, limit)
	defer cancel()
	var ended atomic.Bool
	h.bounded("listener "+l.server.Address(), limit, func() {
		err := l.server.Shutdown(ctx)
		if err != nil && h.now.Err() == nil {
			h.log.Warn("requests in flight are cut", "listener", l.server.Address(), "drain_timeout", limit.String())
		}
		l.server.Close()
		ended.Store(err == nil)
	})
	return ended.Load() || h.now.Err() != nil
}

// closeListeners is for those that were bound and never shut down; it does no harm to the others.
func (h *host) closeListeners() {
	for _, l := range h.listeners() {
		l.server.Close()
	}
}

// Stop implements [control.Host]. A graceful stop begins after stop_delay. Where another host has just taken over, it
// is that one which is meant.
func (h *host) Stop(now bool) (stopped <-chan struct{}) {
	if n := h.upgrade.replaced.Load(); n != nil {
		n.askToStop()
	}
	if now {
		if h.now.Err() == nil {
			h.log.Warn("stopping at once")
		}
		h.leaving.Store(true)
		h.end(errStopped)
		h.endNow()
		return h.stopped
	}
	if h.leaves() || !h.leaving.CompareAndSwap(false, true) {
		return h.stopped
	}
	delay := h.config().StopDelay
	if delay == 0 {
		h.log.Info("stopping gracefully")
		h.end(errStopped)
		return h.stopped
	}
	h.log.Info("stopping gracefully after stop_delay; until then all is served", "stop_delay", delay.String())
	h.notify.ends()
	time.AfterFunc(delay, func() { h.end(errStopped) })
	return h.stopped
}

// leaves says whether the host stops, or will after stop_delay.
func (h *host) leaves() bool { return h.leaving.Load() || h.stopping.Err() != nil }
