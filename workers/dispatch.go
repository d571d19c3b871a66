// The dispatcher hands workers to exchanges: an idle worker at once, otherwise the queue (queue.go). One short lock
// guards it all.

package workers

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

type dispatcher struct {
	pool    *Pool
	observe atomic.Pointer[func(*protocol.Exchange) *protocol.Exchange] // of the settings in force

	mu sync.Mutex
	// guarded by mu, as are the fields of worker and exchange that say so
	free       []*worker // workers with room, the most recently used last: a warm worker is a fast worker
	queue      line      // of requests, first in first out
	lastUrgent *exchange // the end of the part in front, for requests that pass the others; nil if there is none
	patient    line      // of events
	modest     line      // of tasks
	arrivals   uint64    // how many have come to wait
	limit      int
	timeout    time.Duration
	remedy     string        // the setting that brings more workers
	timer      *time.Timer   // for the queue's first deadline
	stopping   atomic.Bool   // nothing new comes in; set under mu
	closed     bool          // nothing comes back either
	emptied    chan struct{} // closed when stopping and nobody waits
	ahead      ahead
	crowd      crowding
	ward       ward
	// leased, not begun: a worker that was drained now would take them no more; goes up under mu
	handing atomic.Int32

	ready  int  // workers that are idle or busy
	barren bool // there is none, and the boots of all slots have failed: waiting would be in vain
}

// submit leases a worker or queues.
func (d *dispatcher) submit(x *exchange) {
	d.mu.Lock()
	x.deadline = time.Now().Add(d.timeout)
	var kind protocol.FailureKind
	switch {
	case d.stopping.Load():
		kind = protocol.FailedStopping
	case d.barren && !x.patient:
		kind = protocol.FailedNoWorker
	case len(d.free) > 0 && d.first() == nil: // with a queue, somebody is about to serve it
		d.handing.Add(1)
		w := d.lease()
		d.mu.Unlock()
		d.hand(w, x)
		return
	case x.patient:
		d.await(x)
	case d.queue.length >= d.room(x):
		kind = protocol.FailedQueueFull
	default:
		d.append(x)
	}
	d.mu.Unlock()
	if kind != 0 {
		x.finish(&protocol.Failure{Kind: kind, Detail: d.pool.why(kind)})
	}
}

// hand begins x, which handing counts, at the worker that was leased for it.
func (d *dispatcher) hand(w *worker, x *exchange) {
	w.begin(x)
	if d.handing.Add(-1) == 0 && d.stopping.Load() {
		d.mu.Lock()
		d.tellEmpty()
		d.mu.Unlock()
	}
}

// lease takes a worker with room: an idle one if there is one, else the least busy. The count goes up here, before the
// worker hears of it, so that a drain can't miss it.
func (d *dispatcher) lease() *worker {
	best := len(d.free) - 1
	for i := best; i >= 0 && d.free[best].duty.inflight > 0; i-- {
		if d.free[i].duty.inflight < d.free[best].duty.inflight {
			best = i
		}
	}
	w := d.free[best]
	if w.duty.inflight++; w.duty.state == Idle {
		w.duty.state.moveTo(Busy)
	}
	if w.duty.room(w.offer.concurrency) <= 0 {
		d.free = append(d.free[:best], d.free[best+1:]...)
		w.duty.listed = false
		d.noteCrowding()
	}
	return w
}

// demote makes a worker that refuses requests the last to get one, so that another one gets what it refused.
func (d *dispatcher) demote(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, f := range d.free {
		if f == w {
			copy(d.free[1:], d.free[:i])
			d.free[0] = w
		}
	}
}

// release ends a lease, and gives the worker's room to the next in the queue.
// took is how long the request was at hand, or notDone; next is what is at hand now, of what the worker had ahead.
// ended is whose lease it was: the worker may have refused what it had ahead, and that must not stay in its account
// while another one has it. It is nil if it can't be there.
func (d *dispatcher) release(w *worker, took time.Duration, ended, next *attempt) {
	d.mu.Lock()
	w.duty.inflight--
	if ended != nil && ended.x.behind == w {
		d.notBehind(ended.x)
		d.tellEmpty()
	}
	if took >= 0 {
		w.duty.requests++
		w.paced(took)
	}
	if next != nil && next.x.behind == w {
		d.notBehind(next.x)
		d.tellEmpty()
	}
	if w.duty.state == Busy && w.duty.inflight == 0 {
		w.duty.state.moveTo(Idle)
		w.duty.idleSince = time.Now()
	}
	if (w.duty.state == Draining || w.duty.state == Stopped) && w.duty.inflight == 0 {
		w.drainedOnce()
	}
	if w.apart && w.duty.state != Starting { // that was a warm-up
		w.vacates()
	}
	d.relist(w)
	if x := d.overdue(aheadPatience); x != nil { // it was here before the queue
		d.mu.Unlock()
		d.recall(x)
		d.mu.Lock()
	}
	d.serveQueue() // unlocks
}

// relist lists a worker that has room. Under mu.
func (d *dispatcher) relist(w *worker) {
	if w.admits() && !w.duty.listed {
		d.free = append(d.free, w)
		w.duty.listed = true
	}
}

// admit lists a worker that is READY, or parked, and says whether it is still there.
func (d *dispatcher) admit(w *worker) bool {
	d.mu.Lock()
	if w.duty.state != Starting && w.duty.state != Parked { // it has gone already: its exit is on its way
		d.mu.Unlock()
		return false
	}
	w.duty.state.moveTo(Idle)
	d.ready++
	d.barren = false
	w.duty.idleSince = time.Now()
	d.free = append(d.free, w)
	w.duty.listed = true
	d.serveQueue()
	return true
}

// serveQueue hands free workers to the queue, and unlocks mu.
func (d *dispatcher) serveQueue() {
	for len(d.free) > 0 {
		x := d.first()
		if x == nil {
			break
		}
		d.handing.Add(1) // before it leaves the queue, which may be the last that a stop waits for
		d.remove(x)
		w := d.lease()
		d.mu.Unlock()
		d.hand(w, x)
		d.mu.Lock()
	}
	d.noteCrowding()
	d.watchAhead()
	d.mu.Unlock()
}

// withdraw takes the worker out of dispatch and into state to. Its leases, which it counts, go on.
// Requests that it was handed ahead go to others.
func (d *dispatcher) withdraw(w *worker, to State) (leases int) {
	d.mu.Lock()
	if w.duty.state != to && w.duty.state != Stopped {
		d.takeOut(w, to)
	}
	waiting := slices.Clone(w.duty.next)
	for _, x := range waiting {
		d.notBehind(x)
	}
	// a dead worker's requests are settled all together; and at the end of a stop no other worker will have room
	if to != Draining || d.closed {
		waiting = nil
	}
	d.ahead.recalling += len(waiting)
	leases = w.duty.inflight
	d.tellEmpty()
	d.mu.Unlock()
	for _, x := range slices.Backward(waiting) { // in front of the queue one by one, the oldest ends up first
		if d.recall(x) {
			leases--
		}
	}
	return leases
}

// retract takes a worker that begins nothing more out of dispatch. What it was handed ahead stays its own: whoever
// calls this sees to that.
func (d *dispatcher) retract(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.duty.state != Draining && w.duty.state != Stopped {
		d.takeOut(w, Draining)
	}
	for _, x := range slices.Clone(w.duty.next) {
		d.notBehind(x)
	}
	d.tellEmpty()
}

// withdrawIdle withdraws a worker to be ended, if it is idle or parked, and says whether it was.
func (d *dispatcher) withdrawIdle(w *worker) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.duty.state != Idle && w.duty.state != Parked {
		return false
	}
	d.takeOut(w, Draining)
	return true
}

// park has a worker wait that was withdrawn and has nothing in flight, and says whether it could: until admit it gets
// nothing.
func (d *dispatcher) park(w *worker) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.duty.state != Draining || w.duty.inflight > 0 {
		return false
	}
	w.duty.state.moveTo(Parked)
	w.duty.idleSince, w.duty.drained = time.Now(), make(chan struct{})
	return true
}

// drained is closed once a worker that was withdrawn holds no lease.
func (d *dispatcher) drained(w *worker) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.duty.drained
}

// takeOut does what the withdrawals share. Under mu.
func (d *dispatcher) takeOut(w *worker, to State) {
	if (w.duty.state == Idle || w.duty.state == Busy) && !w.apart {
		d.ready--
	}
	w.duty.state.moveTo(to)
	if w.duty.listed {
		d.unlist(w)
	}
	d.noteCrowding()
	if w.duty.inflight == 0 {
		w.drainedOnce()
	}
}

// refuse lets no new exchange in; those queued stay.
func (d *dispatcher) refuse() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping.Store(true)
	d.tellEmpty()
}

// tellEmpty closes emptied, once nothing waits: not in the queue, nor behind another request, nor on its way between
// there, the queue and a worker. Under mu.
func (d *dispatcher) tellEmpty() {
	waiting := d.queue.length + d.patient.length + d.modest.length
	waiting += len(d.ahead.waiting) + d.ahead.recalling + len(d.ward.waiting)
	if !d.stopping.Load() || waiting > 0 || d.handing.Load() > 0 {
		return
	}
	select {
	case <-d.emptied:
	default:
		close(d.emptied)
	}
}
