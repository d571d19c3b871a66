// An exchange on its way through the pool: in the queue, or with a worker.

package workers

import (
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// exchange implements [protocol.Ticket].
type exchange struct {
	pool    *Pool
	request protocol.Opening
	sink    protocol.Sink
	repeat  bool                        // it may be tried once more
	keyed   bool                        // likewise, but two workers must not have it at once
	warming bool                        // it is a warm-up of ours
	patient bool                        // it waits as long as it takes
	modest  bool                        // likewise, and behind all that are not
	timeout time.Duration               // as that of [protocol.Exchange]
	kind    protocol.Type               // TypeRequest, or the event's
	subject protocol.Subject            // of an event
	trace   string                      // id of its trace, for logs; "" is none
	erred   func(*protocol.LoggedError) // [protocol.Exchange].ErrorLogged; nil is nobody's
	leaves  func(within time.Duration)  // [protocol.Exchange].Leaves, likewise

	spared bool // it has attempt 2 for having been recalled, and not for a death; the attempt's at hand, as is moves

	moves int // how many workers had it without beginning it; one worker at a time has it

	// guarded by dispatcher.mu
	queued     bool
	deadline   time.Time // of its wait for a worker, wherever it waits
	arrival    uint64    // its place among all that have waited; 0 if it never did
	prev, next *exchange
	urgent     bool      // its place is in front
	behind     *worker   // it was handed ahead to this worker, which has another one at hand
	since      time.Time // when
	waits      time.Time // since when it has been in the queue; zero if it never was

	mu sync.Mutex
	// guarded by mu
	attempt   *attempt // the latest
	cancelled bool

	first attempt // most exchanges have only one
}

// meter counts what becomes of x. What warms a worker up is no client's, and counts nowhere.
func (x *exchange) meter() *meter {
	if x.warming {
		return &x.pool.unmetered
	}
	return &x.pool.meter
}

// newAttempt makes the stream for worker w; it is nil if the exchange was cancelled meanwhile.
func (x *exchange) newAttempt(w *worker) *attempt {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancelled {
		return nil
	}
	a := &x.first
	if x.attempt != nil {
		a = new(attempt)
	}
	a.x, a.worker = x, w
	x.attempt = a
	return a
}

// waited is how long x has been here without a worker.
func (x *exchange) waited(now time.Time) time.Duration {
	if x.waits.IsZero() {
		return 0
	}
	return now.Sub(x.waits)
}

// Cancel implements [protocol.Ticket].
func (x *exchange) Cancel(code protocol.ResetCode) {
	x.mu.Lock()
	x.cancelled = true // before it leaves the queue: one that is on its way there finds this, or is found
	a := x.attempt
	x.mu.Unlock()
	if x.pool.dispatch.leave(x) {
		x.finish(&protocol.Failure{Kind: protocol.FailedCancelled})
		return
	}
	if a != nil {
		a.cancel(code)
	}
}

func (x *exchange) isCancelled() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cancelled
}

// finish ends an exchange that no worker holds.
func (x *exchange) finish(f *protocol.Failure) {
	x.fail(f, &x.meter().unserved)
	x.sink.Finished()
}

// fail tells the sink, and counts.
func (x *exchange) fail(f *protocol.Failure, c *counts) {
	c.failed(x.kind, f.Kind)
	x.sink.Fail(f)
}
