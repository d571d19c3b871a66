// counts.go: what a queue has counted on this host.

package tasks

import (
	"sync"
	"sync/atomic"
	"time"
)

type counters struct {
	ends   [buried + 1]atomic.Uint64
	pushes atomic.Uint64
	untold atomic.Uint64 // ends that the engine could not be told

	mu   sync.Mutex
	took time.Duration // with workers, all together; guarded by mu
}

func (c *counters) note(how fate, took time.Duration) {
	c.ends[how].Add(1)
	c.mu.Lock()
	c.took += took
	c.mu.Unlock()
}

// Counts are what a queue has counted on this host since it started.
type Counts struct {
	Ends    map[string]uint64 // attempts, by how they ended: done, released, retry, returned, failed
	Pushed  uint64
	Untold  uint64 // ends that the engine could not be told: these tasks come again
	Running int    // tasks at hand now
	Took    time.Duration
}

func (q *queue) counts() Counts {
	c := &q.counted
	n := Counts{Ends: map[string]uint64{}, Pushed: c.pushes.Load(), Untold: c.untold.Load(),
		Running: int(q.running.Load())}
	for how := done; how <= buried; how++ {
		n.Ends[how.String()] = c.ends[how].Load()
	}
	c.mu.Lock()
	n.Took = c.took
	c.mu.Unlock()
	return n
}

// Counts are those of each queue, by name.
func (r *Room) Counts() map[string]Counts {
	all := map[string]Counts{}
	for _, q := range r.list() {
		all[q.name()] = q.counts()
	}
	return all
}
