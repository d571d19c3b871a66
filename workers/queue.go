// The queue: how an exchange comes to wait for a worker, how long it may, and what becomes of it when nobody serves
// it.

package workers

import (
	"time"

	"github.com/workerhost/workerhost/protocol"
)

func (d *dispatcher) append(x *exchange) {
	d.arrive(x)
	before := d.queue.tail
	if x.urgent {
		before, d.lastUrgent = d.lastUrgent, x
	}
	if d.queue.insert(x, before); d.queue.length == 1 {
		d.arm()
		d.noteWaiting(x.waits)
	}
}

// requeue puts an exchange back in front: it has waited already, and its deadline stays. Only the time for which a
// worker worked on it does not count.
func (d *dispatcher) requeue(x *exchange, worked time.Duration) {
	d.mu.Lock()
	x.deadline = x.deadline.Add(worked)
	var kind protocol.FailureKind
	switch {
	case d.closed:
		kind = protocol.FailedStopping
	case x.isCancelled():
		kind = protocol.FailedCancelled
	case !x.patient && !x.deadline.After(time.Now()):
		kind = protocol.FailedQueueTimeout
	}
	if kind != 0 {
		d.mu.Unlock()
		x.finish(&protocol.Failure{Kind: kind, Detail: d.pool.why(kind)})
		return
	}
	if x.patient {
		d.awaitAgain(x)
		d.serveQueue()
		return
	}
	x.queued = true
	if d.queue.head != nil && d.queue.head.deadline.Before(x.deadline) { // deadlines stay in the queue's order
		x.deadline = d.queue.head.deadline
	}
	if x.urgent = true; d.lastUrgent == nil {
		d.lastUrgent = x
	}
	d.queue.insert(x, nil)
	d.arm()
	d.serveQueue()
}

// remove takes x out of the queue, or from those that wait with patience. Under mu.
func (d *dispatcher) remove(x *exchange) {
	x.queued = false
	if x.patient {
		d.lineOf(x).remove(x)
	} else {
		if d.lastUrgent == x {
			d.lastUrgent = x.prev
		}
		d.queue.remove(x)
	}
	d.tellEmpty()
}

// leave takes x out of what waits, and says whether it was there.
func (d *dispatcher) leave(x *exchange) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !x.queued {
		return d.leaveWard(x)
	}
	d.remove(x)
	return true
}

// arm sets the timer for the first that is due. A timer that fires early finds nothing due and sets itself again.
func (d *dispatcher) arm() {
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(d.earliest()), d.expire)
	} else {
		d.timer.Reset(time.Until(d.earliest()))
	}
}

func (d *dispatcher) expire() {
	now := time.Now()
	var due []*exchange
	d.mu.Lock()
	for d.queue.head != nil && !d.queue.head.deadline.After(now) {
		due = append(due, d.queue.head)
		d.remove(d.queue.head)
	}
	for x := d.firstNormal(); x != nil && !x.deadline.After(now); x = d.firstNormal() {
		due = append(due, x)
		d.remove(x)
	}
	if d.queue.head != nil {
		d.arm()
	}
	d.mu.Unlock()
	for _, x := range due {
		x.finish(&protocol.Failure{Kind: protocol.FailedQueueTimeout, Detail: d.pool.why(protocol.FailedQueueTimeout)})
	}
}

// close fails all that waits, and whatever would wait again.
func (d *dispatcher) close() {
	d.mu.Lock()
	d.closed = true
	d.failAll(protocol.FailedStopping, d.takeAll(&d.queue, d.takeAll(&d.patient, d.takeAll(&d.modest, nil))))
}

// giveUp fails all that is queued, and whatever comes without patience, until a worker is ready. It does nothing if
// one is. It says whether that is news.
func (d *dispatcher) giveUp() (news bool) {
	d.mu.Lock()
	if d.ready > 0 {
		d.mu.Unlock()
		return false
	}
	news = !d.barren
	d.barren = true
	d.failAll(protocol.FailedNoWorker, d.takeAll(&d.queue, nil))
	return news
}

// takeAll empties a line, and appends what was there to all. Under mu.
func (d *dispatcher) takeAll(l *line, all []*exchange) []*exchange {
	for l.head != nil {
		all = append(all, l.head)
		d.remove(l.head)
	}
	return all
}

// failAll ends exchanges that nobody serves, and unlocks mu.
func (d *dispatcher) failAll(kind protocol.FailureKind, all []*exchange) {
	d.mu.Unlock()
	for _, x := range all {
		x.finish(&protocol.Failure{Kind: kind, Detail: d.pool.why(kind)})
	}
}
