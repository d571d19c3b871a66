// An attempt: one exchange in the hands of one worker, as a stream on its link.

package workers

import (
	"fmt"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// attempt implements protocol.Stream. doc.go has the order of its locks.
type attempt struct {
	x      *exchange
	worker *worker
	id     uint32 // the stream; fixed in worker.open, as is mark
	mark   int64  // how much of the link the worker may read without seeing REQUEST; -1 if that isn't known

	recalled bool // guarded by worker.mu: another attempt goes on with the exchange

	// the reader's own
	staged   *staging // nil: nothing
	resigned bool     // the worker sent RESET: acts count no more

	// calls is held around every call of the sink: calls come one at a time.
	calls sync.Mutex
	// guarded by calls
	over   bool   // the sink hears nothing more but Finished
	answer answer // what the worker has said; changed by hears

	mu sync.Mutex
	// guarded by mu
	tenure    tenure    // changed by enters
	sentEnd   bool      // our body is complete
	tunnel    time.Time // since when it is one (tunnel.go); zero: it is none
	hungry    bool      // Send was cut short: the sink wants to hear of more room
	flushing  bool      // awaitFlush runs
	credit    protocol.Credit
	allowance protocol.Allowance
	// for the watch: when the worker last showed progress, or had to wait for us until; and what was done about its
	// silence
	progress time.Time
	begun    time.Time         // when the worker could begin
	resetAt  time.Time         // zero: not RESET for its silence
	reset    bool              // RESET was sent
	asked    bool              // it was asked back
	given    *protocol.Failure // why, from then on
	slow     bool              // the log has it as slow
	closing  lastWord          // changed by closes
	closedAt time.Time         // when; for wasHeld, when it last went on
}

// Send implements [protocol.Stream].
func (a *attempt) Send(p []byte, end bool, trailers []string) (n int, more bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tenure == closed || a.reset || a.sentEnd {
		return 0, false
	}
	if a.tenure == unopened {
		a.hungry = true
		return 0, true
	}
	for {
		if accepted, written := a.worker.conn.Sent(); accepted-written > maxBacklog {
			a.hungry = true
			if !a.flushing {
				a.flushing = true
				go a.awaitFlush()
			}
			return n, true
		}
		size := a.credit.Take(min(len(p)-n, protocol.MaxData))
		last := end && n+size == len(p)
		if size == 0 && !last {
			break
		}
		m := protocol.Data{Stream: a.id, Bytes: p[n : n+size]}
		if last {
			m.Flags, m.Trailers, a.sentEnd = protocol.FlagEnd, trailers, true
		}
		if a.worker.conn.Send(&m) != nil {
			return n, false
		}
		if !a.x.isEvent() {
			a.x.meter().bytesIn.Add(uint64(size))
		}
		a.progress = time.Now()
		if n += size; last {
			return n, false
		}
	}
	a.hungry = n < len(p) || a.credit == 0
	return n, true
}

// maxBacklog is how many bytes may wait for a worker to read them, however large the windows that it grants.
const maxBacklog = 1 << 20

// awaitFlush wakes a sink whose Send was cut short by the backlog. It ends when the worker has read it, or has died.
func (a *attempt) awaitFlush() {
	a.worker.conn.Flush()
	a.mu.Lock()
	a.flushing = false
	hungry := a.hungry
	a.hungry = false
	a.mu.Unlock()
	if hungry {
		a.writable()
	}
}

func (a *attempt) writable() {
	a.calls.Lock()
	defer a.calls.Unlock()
	if !a.over && !a.answer.served() && a.answer != held {
		a.x.sink.Writable()
	}
}

// Consumed implements [protocol.Stream].
func (a *attempt) Consumed(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tenure == closed || a.reset {
		return
	}
	if grant := a.allowance.Release(n); grant > 0 {
		// The worker's silence begins here: it may have waited for this.
		a.goesOn()
		a.worker.conn.Send(&protocol.Window{Stream: a.id, Bytes: grant}) // a broken pipe shows in the worker's exit
	}
}

// Worker implements [protocol.Stream].
func (a *attempt) Worker() (slot int, generation uint64) { return a.worker.slot, a.worker.gen.number }

// Terms are those of the settings of the worker's generation.
func (a *attempt) Terms() any { return a.worker.gen.settings.Terms }

// giveUp tells the worker that nobody waits any more, and why is what its DONE or its death then means. It says
// whether that was news.
func (a *attempt) giveUp(m protocol.Reset, why *protocol.Failure) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.tenure.leased() || a.reset {
		return false
	}
	a.reset, a.given = true, why
	m.Stream = a.id
	a.worker.conn.Send(&m)
	return true
}

// cancel is Ticket.Cancel for a request that a worker has.
func (a *attempt) cancel(code protocol.ResetCode) {
	if why := (&protocol.Failure{Kind: protocol.FailedCancelled}); a.giveUp(protocol.Reset{Code: code}, why) {
		a.fail(why)
	}
}

// givenOr is why the attempt was given up, or else f.
func (a *attempt) givenOr(f *protocol.Failure) *protocol.Failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.given != nil {
		return a.given
	}
	return f
}

// fail tells the sink once, and returns the request's name and id if that was news.
func (a *attempt) fail(f *protocol.Failure) (name, id string) {
	a.calls.Lock()
	defer a.calls.Unlock()
	if a.over || a.answer.served() {
		return "", ""
	}
	a.over = true
	name, id = a.x.request.Name()
	a.lose(f)
	return name, id
}

// hears notes what the worker has said. Under calls.
func (a *attempt) hears(what answer) { answerMoves.move(&a.answer, what) }

// enters changes the tenure. Under mu.
func (a *attempt) enters(next tenure) { tenureMoves.move(&a.tenure, next) }

// flaw is the failure of an exchange that the worker did not answer as SPEC.md has it, in the clause given.
func (w *worker) flaw(what, clause string) *protocol.Failure {
	return &protocol.Failure{Kind: protocol.FailedReset, Detail: fmt.Sprintf("%s: %s (SPEC.md %s)", w, what, clause)}
}

// spoil fails the exchange for a flaw, once.
func (a *attempt) spoil(f *protocol.Failure) {
	a.calls.Lock()
	defer a.calls.Unlock()
	a.spoilLocked(f)
}

// spoilLocked is spoil under calls. What a front has begun to pass on, and an event's hub, log it themselves.
func (a *attempt) spoilLocked(f *protocol.Failure) {
	if a.over || a.answer.served() {
		return
	}
	a.over = true
	if a.answer < headed && !a.x.isEvent() && !a.x.warming {
		args := append(a.x.named(), "stream", a.id, "error", f.Detail)
		a.worker.log.Error("request failed: its worker did not answer it", args...)
	}
	a.lose(f)
}

// lose tells the sink that the exchange failed with this worker.
func (a *attempt) lose(f *protocol.Failure) { a.x.fail(f, a.counts()) }

// counts are those of the worker's generation; see exchange.meter.
func (a *attempt) counts() *counts {
	if a.x.warming {
		return &a.x.pool.unmetered.unserved
	}
	return &a.worker.gen.counts
}

// answers notes that the worker said something of its response, perhaps its end.
func (a *attempt) answers(flags protocol.Flags) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.goesOn()
	if flags&protocol.FlagEnd != 0 {
		a.closesAt(a.progress, wasAnswered)
	}
}

// goesOn notes the worker's progress with its response. Under mu.
func (a *attempt) goesOn() {
	a.progress = time.Now()
	if a.closing == wasHeld {
		a.closedAt = a.progress
	}
}

// closes notes that nothing but DONE must come from the worker any more.
func (a *attempt) closes(how lastWord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closesAt(time.Now(), how)
}

// closesAt is closes under mu.
func (a *attempt) closesAt(now time.Time, how lastWord) {
	if a.closing.open() {
		lastWordMoves.move(&a.closing, how)
		a.closedAt = now
	}
}

func (a *attempt) close() {
	a.mu.Lock()
	a.enters(closed)
	a.mu.Unlock()
}
