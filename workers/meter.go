// The meter: what a pool counts. Requests touch only atomics; whoever watches the pool takes a snapshot with Metrics.

package workers

import (
	"sync"
	"sync/atomic"
	"time"
)

// Metrics are a pool's counts since it was made.
type Metrics struct {
	// of what workers had, by generation, the oldest first: the latest ones, and those that still have workers
	Generations   []Counts
	Unserved      Counts    // of what no worker had: only its failures count
	BytesIn       uint64    // of request bodies, sent to workers
	BytesOut      uint64    // of response bodies, from workers; files that the host sends are not among them
	Wait          Histogram // from Submit to the moment that a worker has the request
	EventWait     Histogram // likewise of events of connections
	Reloads       Histogram // those that completed
	FailedReloads uint64    // reloads that failed
	LogDropped    uint64    // entries of workers that were not logged, for being more than Settings.LogRate
}

// Bounds are the upper ends of a [Histogram]'s buckets, which all of them share: from half a millisecond to a minute.
var Bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// Histogram says how many durations were at most each of [Bounds], the last count being of all.
type Histogram struct {
	Cumulative [len(Bounds) + 1]uint64
	Sum        time.Duration
}

// Count is how many durations there were.
func (h *Histogram) Count() uint64 { return h.Cumulative[len(Bounds)] }

// histogram collects durations without a lock.
type histogram struct {
	buckets [len(Bounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(Bounds) && d > Bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) snapshot() (s Histogram) {
	total := uint64(0)
	for i := range h.buckets {
		total += h.buckets[i].Load()
		s.Cumulative[i] = total
	}
	s.Sum = time.Duration(h.sum.Load())
	return s
}

// restartReason says why a slot got another worker.
type restartReason int

const (
	endedItself  restartReason = iota // it exited or was killed from outside
	failedBoot                        // it was never READY
	brokeLink                         // what it sent was not the protocol, or it answered no PING
	unresponsive                      // it did not heed a RESET in time
	spent                             // it had done max_requests
	aged                              // it was older than max_age
	bloated                           // it was larger than max_memory
	overgrown                         // it passed max_memory_hard in the middle of a request
	restartReasons
)

var restartNames = [restartReasons]string{"exited", "boot failed", "link broken", "unresponsive", "max_requests",
	"max_age", "max_memory", "max_memory_hard"}

func (r restartReason) String() string { return restartNames[r] }

// meter belongs to a pool. All but the lists is atomic.
type meter struct {
	unserved          counts // of what no worker had
	bytesIn, bytesOut atomic.Uint64
	failedReloads     atomic.Uint64
	logDropped        atomic.Uint64
	wait, reloads     histogram
	eventWait         histogram

	mu          sync.Mutex
	generations []*generation // that are counted apart, oldest first; guarded by mu
}

// Metrics never waits for a worker, and can be asked at any time.
func (p *Pool) Metrics() Metrics {
	m := &p.meter
	s := Metrics{
		Unserved: m.unserved.snapshot(), BytesIn: m.bytesIn.Load(), BytesOut: m.bytesOut.Load(),
		Wait: m.wait.snapshot(), EventWait: m.eventWait.snapshot(), Reloads: m.reloads.snapshot(),
		FailedReloads: m.failedReloads.Load(),
		LogDropped:    m.logDropped.Load(),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.generations {
		c := g.counts.snapshot()
		c.Generation = g.number
		s.Generations = append(s.Generations, c)
	}
	return s
}

// ending says why w, whose process has gone, ended by itself. In run.
func (w *worker) ending() restartReason {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.boot.err != nil:
		return failedBoot
	case w.watched.heed > heeding && !w.watched.outgrew.IsZero():
		return overgrown
	case w.watched.heed > heeding:
		return unresponsive
	case w.link.broken != "":
		return brokeLink
	}
	return endedItself
}

// restarted notes that the slot gets another worker, and how the one before, of g, went, where that says something.
// In run.
func (p *Pool) restarted(s *slot, g *generation, why restartReason, exit string) {
	g.counts.restarts[why].Add(1)
	s.restarts++
	if s.why = why.String(); exit != "" {
		s.why += " (" + exit + ")"
	}
}
