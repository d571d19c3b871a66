// The meter: what a pool counts. Requests touch only atomics; whoever watches the pool takes a snapshot with Metrics.

package workers

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Metrics are a pool's counts since it was made.
type Metrics struct {
	Answers       []Answers              // by generation, oldest first; only the latest generations are kept
	Failures      map[string]uint64      // requests without a whole response from a worker, by why
	Restarts      map[string]uint64      // workers that another one took the place of, other than by a reload, by why
	Retries       uint64                 // safe requests tried once more after their worker died
	Moves         uint64                 // requests given to another worker, since theirs had not begun them
	BytesIn       uint64                 // of request bodies, sent to workers
	BytesOut      uint64                 // of response bodies, from workers; files that the host sends are not among them
	Wait          Histogram              // from Submit to the moment that a worker has the request
	Service       Histogram              // from then until all code for the request has run
	Events        map[string]EventCounts // events of connections by kind: "open", "message", "close", "buffer"; the counts above are of requests alone
	EventWait     Histogram              // from Submit to the moment that a worker has the event
	EventService  Histogram              // from then until all code for the event has run
	Boots         Histogram              // from a worker's start to READY
	Reloads       Histogram              // those that completed
	FailedReloads uint64                 // reloads that failed
	LogDropped    uint64                 // entries of workers that were not logged, for being more than Settings.LogRate
}

// Answers counts the response heads of one generation.
type Answers struct {
	Generation uint64
	Classes    [6]uint64 // Classes[2] is 2xx; Classes[0] is what is no status
}

// Bounds are the upper ends of a [Histogram]'s buckets, which all of them share: from half a millisecond to a minute.
var Bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
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

var restartNames = [restartReasons]string{"exited", "boot failed", "link broken", "unresponsive", "max_requests", "max_age", "max_memory", "max_memory_hard"}

func (r restartReason) String() string { return restartNames[r] }

const failureKinds = int(protocol.FailedCancelled) + 1

// keptGenerations is how many generations are counted apart; a host that is reloaded for years must not grow.
const keptGenerations = 5

// classes counts response heads by the first digit of their status.
type classes [6]atomic.Uint64

func (c *classes) add(status int) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	c[class].Add(1)
}

// meter belongs to a pool. All but the list of generations is atomic.
type meter struct {
	failures                      [failureKinds]atomic.Uint64
	restarts                      [restartReasons]atomic.Uint64
	retries, moves                atomic.Uint64
	bytesIn, bytesOut             atomic.Uint64
	failedReloads                 atomic.Uint64
	logDropped                    atomic.Uint64
	wait, service, boots, reloads histogram
	events                        [4]eventCounter // from TypeOpen on
	eventWait, eventService       histogram

	mu          sync.Mutex
	generations []*generation // that have had a worker, oldest first; guarded by mu
}

// track counts for g from now on, and forgets the oldest.
func (m *meter) track(g *generation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, known := range m.generations {
		if known == g {
			return
		}
	}
	m.generations = append(m.generations, g)
	if extra := len(m.generations) - keptGenerations; extra > 0 {
		m.generations = append([]*generation(nil), m.generations[extra:]...)
	}
}

func (m *meter) failed(what protocol.Type, kind protocol.FailureKind) {
	switch {
	case kind <= 0 || int(kind) >= failureKinds:
	case what == protocol.TypeRequest:
		m.failures[kind].Add(1)
	default:
		m.eventsOf(what).failures[kind].Add(1)
	}
}

// Metrics never waits for a worker, and can be asked at any time.
func (p *Pool) Metrics() Metrics {
	m := &p.meter
	s := Metrics{
		Failures: map[string]uint64{}, Restarts: map[string]uint64{},
		Retries: m.retries.Load(), Moves: m.moves.Load(), BytesIn: m.bytesIn.Load(), BytesOut: m.bytesOut.Load(),
		Wait: m.wait.snapshot(), Service: m.service.snapshot(), Boots: m.boots.snapshot(), Reloads: m.reloads.snapshot(),
		FailedReloads: m.failedReloads.Load(), LogDropped: m.logDropped.Load(),
		Events: m.eventCounts(), EventWait: m.eventWait.snapshot(), EventService: m.eventService.snapshot(),
	}
	for kind := protocol.FailedQueueFull; int(kind) < failureKinds; kind++ {
		s.Failures[kind.String()] = m.failures[kind].Load()
	}
	for reason := range restartReasons {
		s.Restarts[reason.String()] = m.restarts[reason].Load()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.generations {
		a := Answers{Generation: g.number}
		for i := range a.Classes {
			a.Classes[i] = g.answers[i].Load()
		}
		s.Answers = append(s.Answers, a)
	}
	return s
}

// ending says why w, whose process has gone, ended by itself.
func (w *worker) ending() restartReason {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.bootErr != nil:
		return failedBoot
	case w.overruled.Load() && w.oversized.Load():
		return overgrown
	case w.overruled.Load():
		return unresponsive
	case w.broken != "":
		return brokeLink
	}
	return endedItself
}

// restarted notes that the slot gets another worker, and how the one before went, where that says something. In run.
func (p *Pool) restarted(s *slot, why restartReason, exit string) {
	p.meter.restarts[why].Add(1)
	s.restarts++
	if s.why = why.String(); exit != "" {
		s.why += " (" + exit + ")"
	}
}
