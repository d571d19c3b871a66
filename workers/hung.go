// Ending a worker in the midst of a request: RESET, a moment to heed it, a look at where the code stands, TERM, KILL.

package workers

import (
	"slices"
	"time"

	"github.com/workerhost/workerhost/protocol"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// heedTimeout is from RESET to TERM.
const heedTimeout = time.Second

// interrupt gives up a request in the midst of its work, for the reason that its client gets, and logs event with the
// request and args. The watch ends the worker if it does not heed that in heedTimeout. It does nothing the second
// time. In run; it never waits.
func (w *worker) interrupt(a *attempt, now time.Time, why *protocol.Failure, event string, args ...any) {
	a.mu.Lock()
	again := !a.resetAt.IsZero()
	if !again {
		a.resetAt = now
	}
	took := now.Sub(a.begun)
	a.mu.Unlock()
	if again {
		return
	}
	name, id := w.requestOf(a)
	a.giveUp(protocol.Reset{Code: protocol.ResetTimeout}, why)
	go func() { // a sink's call may be under way, and run never waits
		a.fail(why)
		if name != "" { // else it was recalled, and goes on elsewhere
			w.log.Error(event, slices.Concat(a.x.about(name, id),
				[]any{"stream", a.id, "running", rounded(took)}, args)...)
		}
	}()
}

// overrule ends a worker that did not heed a RESET. One that has other requests, too, is replaced with a drain. In
// run.
func (w *worker) overrule(a *attempt) {
	first := w.watched.rises(overruled)
	if w.offer.concurrency > 1 {
		if first {
			close(w.end.unheeded)
			w.pool.tasks.Go(func() { w.tellUnheeded(a, "worker did not heed RESET, it is replaced") })
		}
		w.pool.recycle(w, unresponsive)
		return
	}
	if !first {
		return
	}
	w.pool.tasks.Go(func() { // what it has ahead is recalled, which may wait for a sink's call, and run never waits
		w.pool.dispatch.withdraw(w, Draining) // so that no other request can come between
		if w.leases(a) {
			w.tellUnheeded(a, "worker did not heed RESET, it is terminated")
		}
		if !w.leases(a) {
			// it was done at the last moment, perhaps because the signal cut its call short
			w.pool.recycle(w, unresponsive)
			return
		}
		w.terminate()
	})
}

// terminate ends the process without asking it: TERM, KILL.
func (w *worker) terminate() {
	w.process.Terminate()
	if !wait.Within(w.end.gone, w.gen.settings.StopTimeout) {
		w.log.Warn("worker did not exit on TERM, sending KILL", "stop_timeout", w.gen.settings.StopTimeout.String())
		w.process.Kill()
	}
}

// tellUnheeded logs which request it is, how long it has been running, and where the code stands.
func (w *worker) tellUnheeded(a *attempt, event string) {
	name, id := w.requestOf(a)
	a.mu.Lock()
	took := time.Since(a.begun)
	a.mu.Unlock()
	args := append(a.x.about(name, id), "stream", a.id, "running", rounded(took))
	w.log.Error(event, append(args, w.whereabouts()...)...)
}

// requestsAtHand names what the worker has not done, for the log.
func (w *worker) requestsAtHand() (names []string) {
	for _, a := range w.attempts() {
		if name, id := w.requestOf(a); id != "" {
			names = append(names, name+" ("+id+")")
		} else if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// leases says whether the lease goes on.
func (w *worker) leases(a *attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link.streams[a.id] == a
}

// rounded is a duration for the log.
func rounded(d time.Duration) string { return d.Round(time.Millisecond).String() }
