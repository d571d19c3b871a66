// The queue's bounds, and what is said when one of them is reached.

package workers

import (
	"fmt"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// bound sets the queue's length and deadline. What waits already keeps its place, and its deadline unless that is now
// too late: those behind it can't have an earlier one.
func (d *dispatcher) bound(s *Settings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	latest := time.Now().Add(s.QueueTimeout)
	for x := d.queue.head; x != nil; x = x.next {
		if x.deadline.After(latest) {
			x.deadline = latest
		}
	}
	if d.queue.head != nil {
		d.arm()
	}
	if d.observe.Store(nil); s.Observe != nil {
		d.observe.Store(&s.Observe)
	}
	d.limit, d.timeout, d.remedy = max(0, s.Queue), s.QueueTimeout, "workers"
	if s.MaxWorkers > 0 {
		d.remedy = "max_workers"
	}
}

func (d *dispatcher) bounds() (limit int, timeout time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limit, d.timeout
}

func (d *dispatcher) moreWorkers() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.remedy
}

// why explains a failure to dispatch to whoever reads the log.
func (p *Pool) why(kind protocol.FailureKind) string {
	limit, timeout := p.dispatch.bounds()
	more := p.dispatch.moreWorkers()
	switch kind {
	case protocol.FailedNoWorker:
		return fmt.Sprintf("pool %s: no worker can start: %s", p.name, p.lastFailure())
	case protocol.FailedQueueFull:
		return fmt.Sprintf("pool %s: %d requests wait already; raise `queue` or `%s`", p.name, limit, more)
	case protocol.FailedQueueTimeout:
		if last := p.lastFailure(); last != "" {
			return fmt.Sprintf("pool %s: no worker was free within %v; the last one failed: %s", p.name, timeout, last)
		}
		return fmt.Sprintf("pool %s: no worker was free within %v; raise `%s` or `queue_timeout`", p.name, timeout,
			more)
	}
	return ""
}
