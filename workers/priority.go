// Priority: the queue has a part in front, first in first out as well, for requests that pass the others (health checks, say) and for those that have
// waited before.

package workers

import "time"

// reserved is how many requests with priority may wait when the queue is full.
const reserved = 16

// room is how long the queue may be for x to join it.
func (d *dispatcher) room(x *exchange) int {
	if x.urgent {
		return d.limit + reserved
	}
	return d.limit
}

// insert links x into the queue behind before; nil is in front. Under mu.
func (d *dispatcher) insert(x, before *exchange) {
	x.prev, x.next = before, d.head
	if before != nil {
		x.next = before.next
		before.next = x
	} else {
		d.head = x
	}
	if x.next != nil {
		x.next.prev = x
	} else {
		d.tail = x
	}
}

// firstNormal is the first behind the urgent part. Each part has its deadlines in order. Under mu.
func (d *dispatcher) firstNormal() *exchange {
	if d.lastUrgent != nil {
		return d.lastUrgent.next
	}
	return d.head
}

// earliest is the first deadline in the queue, which is not empty. Under mu.
func (d *dispatcher) earliest() time.Time {
	first := d.head.deadline
	if x := d.firstNormal(); x != nil && x.deadline.Before(first) {
		first = x.deadline
	}
	return first
}
