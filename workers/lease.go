// A worker's leases: how a stream opens on its link, how it ends, and what becomes of the exchange when the worker
// dies.

package workers

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// begin opens a stream for x, whose lease on w has been counted already. It says whether w has it now.
func (w *worker) begin(x *exchange) bool {
	a := x.newAttempt(w)
	if a == nil { // cancelled between the queue and here
		x.finish(&protocol.Failure{Kind: protocol.FailedCancelled})
		w.pool.dispatch.release(w, notDone, nil, nil)
		return false
	}
	a.calls.Lock()
	x.sink.Begin(a)
	if !w.open(a) { // the worker died or began to drain meanwhile: nothing has begun
		a.over = true
		a.calls.Unlock()
		a.close()
		w.pool.dispatch.release(w, notDone, nil, nil)
		a.passOn(moved, 0)
		return false
	}
	a.mu.Lock()
	hungry := a.hungry
	a.mu.Unlock()
	if hungry {
		x.sink.Writable()
	}
	a.calls.Unlock()

	if x.isCancelled() { // Cancel came before the stream was open
		a.cancel(protocol.ResetCancelled)
	}
	return true
}

// notDone stands in the place of the time that a request took: it ended without DONE, or was not the worker's any
// more.
const notDone time.Duration = -1

// open gives the attempt its stream and sends REQUEST, in one step, so that numbers only ever grow on the wire.
func (w *worker) open(a *attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link.phase != linkOpen {
		return false
	}
	w.link.lastID += 2
	a.id = w.link.lastID
	w.link.streams[a.id] = a
	r := a.x.request
	r.SetStream(a.id)
	if q, ok := r.(*protocol.Request); ok {
		q.Deadline = 0
		if limit := a.timeout(); w.offer.deadlines && limit > 0 && !a.x.warming { // start_timeout bounds a warm-up
			q.Deadline = max(1, limit.Milliseconds())
		}
	}

	// until REQUEST is on its way: the sink may have heard of the stream already, and DATA must not go before it
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.offer.readsAhead && len(w.link.streams) > 1 {
		a.enters(behind)
	} else {
		a.enters(atHand)
	}
	a.progress = time.Now()
	a.begun = a.progress
	a.x.meter().began(a, r.Size())
	a.sentEnd = r.Whole()
	a.credit = protocol.Credit(w.offer.ready.Window)
	a.allowance = protocol.NewAllowance(protocol.DefaultWindow)
	accepted, written := w.conn.Sent()
	if a.mark = written; accepted > written {
		a.mark = -1 // REQUEST may overtake what is queued, so its place is not known
	}
	w.conn.Send(r) // a broken pipe shows in the exit, which finds the stream in the map
	return true
}

// find gives the attempt of a stream on which what came. For one that is over it is nil; for one that never was it is
// an error.
func (w *worker) find(stream uint32, what string) (*attempt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.link.streams[stream]; a != nil {
		return a, nil
	}
	if stream%2 == 0 || int32(stream) > int32(w.link.lastID) {
		got := fmt.Sprintf("%s on stream %d", what, stream)
		return nil, &protocol.LinkError{Expected: "a stream that the host opened", Got: got, Section: "4.3"}
	}
	return nil, nil
}

// done ends the lease: all code for the request has run. The exchange itself ends when the acts that it asked for are
// settled. untold is an answer that the client gets only then; nil: there is none.
func (w *worker) done(a *attempt, untold *protocol.Response) {
	w.printed.done(a.id)
	w.mu.Lock()
	if w.link.streams[a.id] != a {
		w.mu.Unlock()
		return
	}
	now := time.Now()
	name, id := w.slowName(a, a.ran(now))
	delete(w.link.streams, a.id)
	recalled := a.recalled
	next := w.following(a, now)
	w.mu.Unlock()
	a.close()
	if recalled {
		w.pool.dispatch.release(w, notDone, nil, next)
		return
	}

	a.calls.Lock()
	f := a.facts(byDone)
	f.resigned = a.resigned
	v := outcome(f)
	a.carryOut(v)
	a.calls.Unlock()
	if v.fate.goesOn() && v.handedBack { // it was never at hand
		w.pool.dispatch.release(w, notDone, nil, next)
		w.pool.dispatch.requeue(a.x, 0)
		return
	}
	took := a.ran(now)
	if name != "" {
		w.log.Warn("slow "+a.x.word()+" ended", append(a.x.about(name, id), "took", rounded(took))...)
	}
	w.pool.dispatch.closeTunnel(a)
	w.pool.dispatch.release(w, took, a, next)
	// else it refuses, or more DONEs are at hand: then all is handed over at once
	if !v.fate.goesOn() && !w.conn.Buffered() {
		w.pool.dispatch.topUp(w)
	}
	if s := a.owed(v.commits); s == nil {
		a.finish(v, took, untold, nil)
	} else if settled, err := w.commit(s); settled {
		a.finish(v, took, untold, err)
		s.recycle()
	} else {
		kept := untold.Clone()
		w.afterwards(s, func(err error) { a.finish(v, took, kept, err) })
	}
	w.checkShare(a.id, now)
}

// finish tells what has come of an exchange whose DONE has come and whose acts are settled, with err.
func (a *attempt) finish(v verdict, took time.Duration, untold *protocol.Response, err error) {
	w := a.worker
	if err != nil || untold != nil {
		a.calls.Lock()
		switch opens := a.x.kind == protocol.TypeOpen && a.answer != whole; {
		case err != nil && (opens || untold != nil && errors.Is(err, protocol.ErrUnavailable)):
			v.well = false // it was to be as its handler has it, or not at all
			a.lose(w.flaw("its acts could not be carried out: "+err.Error(), "§10.1"))
		case untold != nil && v.well:
			a.tells(untold)
		case untold != nil: // given up as it came, so that nothing took effect
			a.lose(a.givenOr(nil))
		}
		a.calls.Unlock()
	}
	a.counts().ended(a.x, took, !v.well)
	if v.fate.goesOn() {
		w.pool.dispatch.demote(w)
	}
	a.leave(v.fate, 0)
}

// leave hands the exchange on: to another worker, after this one has had it for so long, or to its end.
func (a *attempt) leave(to fate, worked time.Duration) {
	switch {
	case to == elsewhere:
	case to.goesOn():
		a.passOn(to, worked)
	default:
		a.x.sink.Finished()
	}
}

// passOn has the exchange wait for another worker.
func (a *attempt) passOn(to fate, worked time.Duration) {
	w := a.worker
	perhaps := (to == retried || to == repeated && a.givenOr(nil) == nil) && w.offer.concurrency > 1
	if w.apart || perhaps && !w.gen.settings.InPlace { // it may be what the worker died of
		w.pool.isolate(a.x, worked)
	} else {
		w.pool.dispatch.requeue(a.x, worked)
	}
}

// carryOut does to the exchange what a verdict on DONE says, but for handing it on. Under calls.
func (a *attempt) carryOut(v verdict) {
	a.x.moves = v.moves
	switch {
	case v.fate == repeated:
		a.repeatEvent()
	case v.fate == fails && v.flaw == "":
		a.lose(a.givenOr(nil))
	case v.fate == fails && v.moves >= maxMoves && a.answer == refused:
		a.spoilLocked(a.worker.flaw(fmt.Sprintf(v.flaw, v.moves), v.clause))
	case v.fate == fails:
		a.spoilLocked(a.worker.flaw(v.flaw, v.clause))
	}
	a.over = true
}

const (
	maxMoves   = 8                 // workers that always refuse, or die at once, must not keep a request for ever
	lastStream = 1<<31 - 1 - 1<<20 // stream numbers end at 2^31: such a worker is replaced in time
)

// settle decides what becomes of the attempts that a dead worker leaves.
func (w *worker) settle(left []*attempt, read int64) {
	// requeued in front one by one, the oldest ends up first
	sort.Slice(left, func(i, j int) bool { return left[i].id > left[j].id })
	w.mu.Lock()
	broken := w.link.broken
	w.mu.Unlock()
	for i, a := range left {
		a.close()
		ahead := w.offer.readsAhead && i < len(left)-1 // the one before is not done, so this one has not begun
		to, worked := a.settle(w, broken, ahead || a.unseen(read))
		if s := a.owed(false); s == nil {
			a.leave(to, worked)
		} else {
			w.afterwards(s, func(error) { a.leave(to, worked) })
		}
	}
}

// settle says what becomes of the exchange, and for how long w worked on it, if that does not count. unseen is that w
// can't have begun it.
func (a *attempt) settle(w *worker, broken string, unseen bool) (to fate, worked time.Duration) {
	w.mu.Lock()
	recalled := a.recalled
	w.mu.Unlock()
	a.calls.Lock()
	defer a.calls.Unlock()
	x := a.x
	w.pool.dispatch.closeTunnel(a)
	w.pool.dispatch.release(w, notDone, nil, nil)
	f := a.facts(byDeath)
	if broken != "" {
		f.end = byBreach
	}
	f.recalled, f.unseen = recalled, unseen
	v := outcome(f)
	if v.fate == elsewhere {
		return v.fate, 0
	}
	a.over, x.moves = true, v.moves
	switch v.fate {
	case moved:
		a.counts().moves.Add(1)
		w.log.Warn(x.word()+" moves to another worker: its worker died before it began", x.named()...)
	case repeated:
		a.repeatEvent()
		w.log.Warn("event is delivered once more: its worker died", append(x.named(), "exit", w.end.exit)...)
	case retried:
		x.request.SetAttempt(2)
		a.counts().retries.Add(1)
		args := append(x.named(), "exit", w.end.exit)
		w.log.Warn("request is tried once more: its worker died without a word", args...)
		worked = time.Since(a.begun)
	case fails:
		if given := a.givenOr(nil); given != nil && f.given != 0 {
			a.lose(given)
		} else {
			a.lose(w.death(a, v.kind, broken))
		}
	}
	return v.fate, worked
}

// death is the failure of an exchange that is lost with its worker, and logs it. Under calls.
func (w *worker) death(a *attempt, kind protocol.FailureKind, broken string) *protocol.Failure {
	x := a.x
	f := &protocol.Failure{Kind: kind, Detail: fmt.Sprintf("%s died: %s", w, w.end.exit)}
	if broken != "" {
		f.Detail = fmt.Sprintf("%s: %s", w, broken)
	}
	if said := w.tail.String(); said != "" {
		f.Detail += "; stderr: " + said
	}
	args := append(x.named(), "running", rounded(time.Since(a.begun)), "error", f.Kind.String(), "exit", w.end.exit)
	w.log.Error(x.word()+" lost with its worker", args...)
	return f
}

// unseen says that the worker can't know of the request: it has read no byte of it. read is how much it has read of
// its input; -1 if that can't be known.
func (a *attempt) unseen(read int64) bool { return read >= 0 && read <= a.mark }

// named is for logs. The request is the front's again after Finished: call it with worker.mu held while the stream is
// in worker.streams, or with calls held while the attempt is neither over nor served.
func (x *exchange) named() []any {
	name, id := x.request.Name()
	return x.about(name, id)
}

// about is how the log names the exchange whose request has these, also when that is the front's again.
func (x *exchange) about(name, id string) []any {
	args := []any{"request", name, "request_id", id}
	if x.trace != "" {
		args = append(args, "trace_id", x.trace)
	}
	return args
}
