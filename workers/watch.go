// The watch: silence that lasts too long, in a request or in an idle worker.

package workers

import (
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const (
	heedTimeout = time.Second      // from RESET to TERM
	pingEvery   = 10 * time.Second // of silence
	pingTimeout = 10 * time.Second
)

// watch looks at one worker. In run; it never waits.
func (w *worker) watch(now time.Time) {
	if !w.isReady() {
		return
	}
	if limit := w.gen.settings.RequestTimeout; limit > 0 {
		for _, a := range w.attempts() {
			w.watchRequest(a, now, limit)
		}
	}
	w.watchLink(now)
	w.watchShare(now)
}

func (w *worker) watchRequest(a *attempt, now time.Time, limit time.Duration) {
	a.mu.Lock()
	silence := now.Sub(a.progress)
	// for the client: to take the response, or to send more of its body
	waiting := !a.answered && (a.allowance.Left() <= 0 || !a.sentEnd && a.credit > 0)
	late := silence > limit && !waiting && !a.waiting && a.opened
	first := late && a.resetAt.IsZero()
	ignored := !a.resetAt.IsZero() && now.Sub(a.resetAt) > heedTimeout
	if first {
		a.resetAt = now
	}
	a.mu.Unlock()
	switch {
	case first:
		why := &protocol.Failure{Kind: protocol.FailedTimeout, Detail: w.String() + " gave no sign within request_timeout (" + limit.String() + ")"}
		name, id := w.requestOf(a)
		a.giveUp(protocol.ResetTimeout, why)
		go func() { // a sink's call may be under way, and run never waits
			a.fail(why)
			if name != "" { // else it was recalled, and goes on elsewhere
				w.log.Error("request timed out", "request", name, "request_id", id, "stream", a.id, "request_timeout", limit.String())
			}
		}()
	case ignored:
		w.overrule(a)
	}
}

// overrule ends a worker that did not heed a RESET for silence. One that has other requests, too, is replaced with a drain.
func (w *worker) overrule(a *attempt) {
	if w.concurrency > 1 {
		w.pool.recycle(w, unresponsive)
		return
	}
	if !w.overruled.CompareAndSwap(false, true) {
		return
	}
	w.pool.tasks.Go(func() { // what it has ahead is recalled, which may wait for a sink's call, and run never waits
		w.pool.dispatch.withdraw(w, Draining) // so that no other request can come between
		if !w.holds(a) {
			w.pool.recycle(w, unresponsive) // it was done at the last moment, and may have the next request already
			return
		}
		w.log.Error("worker did not heed RESET, it is terminated", "stream", a.id)
		w.process.terminate()
		if !within(w.gone, w.gen.settings.StopTimeout) {
			w.log.Warn("worker did not exit on TERM, sending KILL", "stop_timeout", w.gen.settings.StopTimeout.String())
			w.process.kill()
		}
	})
}

// holds says whether the lease goes on.
func (w *worker) holds(a *attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.streams[a.id] == a
}

// watchLink pings a worker that is idle, or that takes many requests, and kills it if it does not answer.
func (w *worker) watchLink(now time.Time) {
	state, since := w.idleness()
	if state != Idle && (state != Busy || w.concurrency == 1) {
		w.pinged = time.Time{}
		return
	}
	w.mu.Lock()
	answered := w.pongSeq >= w.pingSeq
	w.mu.Unlock()
	switch {
	case answered && now.Sub(since) > pingEvery && now.Sub(w.pinged) > pingEvery:
		w.pinged = now
		w.pingSeq++
		w.conn.Send(&protocol.Ping{Token: w.pingSeq})
	case !answered && w.pinged.IsZero():
		w.pinged = now // it was busy meanwhile
	case !answered && now.Sub(w.pinged) > pingTimeout && (state == Busy || w.pool.dispatch.withdrawIdle(w)):
		w.log.Error("worker does not answer PING, it is replaced", "timeout", pingTimeout.String())
		w.kill("no answer to PING within " + pingTimeout.String())
	}
}

// requestOf gives the name and the id of a's request, if it is the worker's still.
func (w *worker) requestOf(a *attempt) (name, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streams[a.id] != a || a.recalled {
		return "", ""
	}
	return a.x.name(), a.x.request.ID
}

// attempts are the streams that are open now.
func (w *worker) attempts() []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.streams) == 0 {
		return nil
	}
	all := make([]*attempt, 0, len(w.streams))
	for _, a := range w.streams {
		all = append(all, a)
	}
	return all
}

func (w *worker) dispatchState() State {
	state, _ := w.idleness()
	return state
}

func (w *worker) idleness() (State, time.Time) {
	d := &w.pool.dispatch
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.state, w.idleSince
}

// finished is how many requests the worker has done.
func (w *worker) finished() uint64 {
	d := &w.pool.dispatch
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.requests
}
