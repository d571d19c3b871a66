// Patience: events of connections wait for a worker however long that takes, in a line of their own beside the queue.
// Neither its length nor its deadline counts for them, and a pool in which no worker can start keeps them. Both lines
// are served as one, in order of arrival. Tasks wait likewise, in a line that is served when both of these are empty.

package workers

import "time"

// line is a list of exchanges, linked through prev and next. Guarded by dispatcher.mu.
type line struct {
	head, tail *exchange
	length     int
}

// insert links x in behind before; nil is in front.
func (l *line) insert(x, before *exchange) {
	x.prev, x.next = before, l.head
	if before != nil {
		x.next = before.next
		before.next = x
	} else {
		l.head = x
	}
	if x.next != nil {
		x.next.prev = x
	} else {
		l.tail = x
	}
	l.length++
}

func (l *line) remove(x *exchange) {
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		l.head = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	} else {
		l.tail = x.prev
	}
	x.prev, x.next = nil, nil
	l.length--
}

// first is who is served next: whoever came first, but that requests in front of the queue pass everybody. Nil if
// nobody waits. Under mu.
func (d *dispatcher) first() *exchange {
	p, x := d.patient.head, d.queue.head
	switch {
	case p != nil && (x == nil || !x.urgent && p.arrival < x.arrival):
		return p
	case x == nil:
		return d.modest.head
	}
	return x
}

// arrive gives x its place in the order of arrival, which it keeps when it comes back. Under mu.
func (d *dispatcher) arrive(x *exchange) {
	d.arrivals++
	x.arrival, x.waits, x.queued = d.arrivals, time.Now(), true
}

// await has x wait with patience. Under mu.
func (d *dispatcher) await(x *exchange) {
	d.arrive(x)
	l := d.lineOf(x)
	if l.insert(x, l.tail); l.length == 1 {
		d.noteWaiting(x.waits)
	}
}

// awaitAgain puts x back in front of those that wait with patience. Under mu.
func (d *dispatcher) awaitAgain(x *exchange) {
	x.queued = true
	d.lineOf(x).insert(x, nil)
}

// lineOf is where x waits, which is patient.
func (d *dispatcher) lineOf(x *exchange) *line {
	if x.modest {
		return &d.modest
	}
	return &d.patient
}
