// Priority: the queue has a part in front, first in first out as well, for requests that pass the others (health
// checks, say) and for those that have waited before.

package workers

import "time"

// reserved is how many requests with priority may wait when the queue is full.
const reserved = 16

// room is how long the queue may be for x to join it.
func (d *dispatcher) room(x *exchange) int {
	switch {
	case x.urgent:
		return d.limit + reserved
	case x.isEvent() && !x.patient:
		// Datagrams, whose senders can be forged: a flood of them must not turn requests away.
		return (d.limit + 1) / 2
	}
	return d.limit
}

// firstNormal is the first behind the urgent part. Each part has its deadlines in order. Under mu.
func (d *dispatcher) firstNormal() *exchange {
	if d.lastUrgent != nil {
		return d.lastUrgent.next
	}
	return d.queue.head
}

// earliest is the first deadline in the queue, which is not empty. Under mu.
func (d *dispatcher) earliest() time.Time {
	first := d.queue.head.deadline
	if x := d.firstNormal(); x != nil && x.deadline.Before(first) {
		first = x.deadline
	}
	return first
}
