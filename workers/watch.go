// The watch: silence that lasts too long, in a request or in an idle worker, and slow requests.

package workers

import (
	"fmt"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// deadlineFeature is of workers that want to know when a request times out (SPEC.md §7.2).
const deadlineFeature = "deadline"

const (
	pingEvery   = 10 * time.Second // of silence
	pingTimeout = 10 * time.Second
	doneTimeout = 5 * time.Second // from a worker's last word of a response to the warning that DONE has not followed
)

// watched is what run, which has the watch, knows of a worker. Owned by run.
type watched struct {
	pinged     time.Time // when PING pingSeq was sent
	pingSeq    uint64
	toldUndone bool      // the log has that a DONE is missing
	lingers    bool      // it has said that it ends, is done, and has not gone yet
	block      *block    // nil: it is not blocked
	outgrew    time.Time // since when it is larger than MaxMemoryHard, which comes and goes; zero: it is not
	heed       heed      // changed by rises
}

// rises moves the heed up, and says whether that is news. In run.
func (s *watched) rises(to heed) bool {
	news := to > s.heed
	s.heed = max(s.heed, to)
	return news
}

// watch looks at one worker. In run; it never waits.
func (w *worker) watch(now time.Time) {
	if !w.isReady() {
		return
	}
	attempts := w.attempts()
	w.watchSize(attempts, now)
	for _, a := range attempts {
		w.watchRequest(a, now)
	}
	w.watchLink(now)
	w.watchShare(now)
}

// timeout is how long the worker may be silent; 0 or less is for ever.
func (a *attempt) timeout() time.Duration {
	if a.x.timeout != 0 {
		return a.x.timeout
	}
	return a.worker.gen.settings.RequestTimeout
}

func (w *worker) watchRequest(a *attempt, now time.Time) {
	set := w.gen.settings
	a.mu.Lock()
	running := a.tenure == atHand || a.tenure == closed
	silence := now.Sub(a.progress)
	// for the client: to take the response, which goes on while it is held, or to send more of its body
	full := a.allowance.Left() <= 0 && a.closing.open()
	waiting := full || a.closing == speaking && !a.sentEnd && a.credit > 0
	limit := a.timeout()
	late := running && !waiting && a.tunnel.IsZero() && limit > 0 && silence > limit && a.resetAt.IsZero()
	ignored := !a.resetAt.IsZero() && now.Sub(a.resetAt) > heedTimeout
	slow := running && !a.slow && a.tunnel.IsZero() && set.SlowRequest > 0 && now.Sub(a.begun) >= set.SlowRequest
	a.slow = a.slow || slow
	closing := a.closing
	undone := closing != speaking && !full && a.tenure != closed && !a.reset && now.Sub(a.closedAt) > doneTimeout
	a.mu.Unlock()
	if slow {
		w.tellSlow(a, now)
	}
	if undone && !w.watched.toldUndone {
		w.watched.toldUndone = true
		w.tellUndone(a, closing)
	}
	switch {
	case late:
		w.interrupt(a, now, &protocol.Failure{
			Kind:   protocol.FailedTimeout,
			Detail: w.String() + " gave no sign within request_timeout (" + limit.String() + ")",
		}, "request timed out", "request_timeout", limit.String())
	case ignored:
		w.overrule(a)
	}
}

// tellUndone says, once for a worker, that it is kept by what it has answered already. Code may well run on after its
// answer, so nothing else is done about it.
func (w *worker) tellUndone(a *attempt, closing lastWord) {
	if name, id := w.requestOf(a); name != "" {
		w.log.Warn(
			fmt.Sprintf("stream %d was %s %v ago and has no DONE: until then its worker has no room for another", a.id,
				closing, doneTimeout),
			append(a.x.about(name, id), "clause", "SPEC.md §4.2")...)
	}
}

// watchLink pings a worker that is idle, or that takes many requests, and kills it if it does not answer. One that has
// several at hand on one thread is asked more often, and left more time.
func (w *worker) watchLink(now time.Time) {
	state, since := w.idleness()
	if state != Idle && state != Parked && (state != Busy || w.offer.concurrency == 1) {
		w.watched.pinged = time.Time{}
		return
	}
	w.mu.Lock()
	answered, at := w.link.pongSeq >= w.watched.pingSeq, w.link.pongAt
	w.mu.Unlock()
	every, patience := pingEvery, pingTimeout
	probed := state == Busy && w.isProbed()
	if probed {
		every, patience = probeEvery, pingEvery+pingTimeout
	}
	w.watchBlock(now, state, answered, at)
	switch {
	case answered && (probed || now.Sub(since) > every) && now.Sub(w.watched.pinged) > every:
		w.watched.pinged = now
		w.watched.pingSeq++
		w.conn.Send(&protocol.Ping{Token: w.watched.pingSeq})
	case !answered && w.watched.pinged.IsZero():
		w.watched.pinged = now // it was busy meanwhile
	case !answered && now.Sub(w.watched.pinged) > patience && (state == Busy || w.pool.dispatch.withdrawIdle(w)):
		w.watched.pinged = now.Add(time.Hour) // it is being ended
		w.pool.tasks.Go(func() {              // ends after backtraceTimeout
			w.log.Error("worker does not answer PING, it is replaced",
				append([]any{"timeout", patience.String()}, w.whereabouts()...)...)
			w.kill("no answer to PING within " + patience.String())
		})
	}
}

// requestOf gives the name and the id of a's request, if it is the worker's still.
func (w *worker) requestOf(a *attempt) (name, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link.streams[a.id] != a || a.recalled {
		return "", ""
	}
	return a.x.request.Name()
}

// attempts are the streams that are open now.
func (w *worker) attempts() []*attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.link.streams) == 0 {
		return nil
	}
	all := make([]*attempt, 0, len(w.link.streams))
	for _, a := range w.link.streams {
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
	return w.duty.state, w.duty.idleSince
}

// finished is how many requests the worker has done.
func (w *worker) finished() uint64 {
	d := &w.pool.dispatch
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.duty.requests
}
