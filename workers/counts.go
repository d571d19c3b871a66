// What workers did is counted for the generation that they are of, so that a release can be told from the one before.

package workers

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Counts are what became of the requests and events that a generation's workers had, and of those workers.
type Counts struct {
	Generation uint64
	// response heads by the first digit of their status: Classes[2] is 2xx; Classes[0] is what is no status
	Classes  [6]uint64
	Failures map[string]uint64 // requests without a whole response, by why
	Retries  uint64            // safe requests tried once more after their worker died
	Moves    uint64            // requests given to another worker, since theirs had not begun them
	Blocks   uint64            // how often a worker of many was blocked by one of its requests
	Restarts map[string]uint64 // workers that another one took the place of, other than by a reload, by why
	Service  Histogram         // from the moment that a worker has a request until all code for it has run
	Boots    Histogram         // from a worker's start to READY
	// events by kind: "open", "message", "close", "buffer", "fetched", "task"; all other counts are of requests alone
	Events       map[string]EventCounts
	EventService Histogram // as Service, of events
	// of Settings.Measure, in its order, and then [OtherRoutes]; none if it names none
	Routes []Route
}

const failureKinds = int(protocol.FailedCancelled) + 1

// failures counts by why.
type failures [failureKinds]atomic.Uint64

func (f *failures) add(kind protocol.FailureKind) {
	if kind > 0 && int(kind) < failureKinds {
		f[kind].Add(1)
	}
}

// snapshot has each kind, also those that have not come yet.
func (f *failures) snapshot() map[string]uint64 {
	all := make(map[string]uint64, failureKinds)
	for kind := protocol.FailedQueueFull; int(kind) < failureKinds; kind++ {
		all[kind.String()] = f[kind].Load()
	}
	return all
}

// counts are atomic: requests pay for an addition or two.
type counts struct {
	classes        [6]atomic.Uint64
	failures       failures
	retries, moves atomic.Uint64
	blocks         atomic.Uint64
	restarts       [restartReasons]atomic.Uint64
	service, boots histogram
	events         [6]eventCounter // from TypeOpen on; the last are of TypeFetched and TypeTask
	eventService   histogram
	routes         *routes // nil: none are measured
}

// answered counts a response head by the first digit of its status.
func (c *counts) answered(status int) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	c.classes[class].Add(1)
}

// failed counts a request or an event that came to nothing.
func (c *counts) failed(what protocol.Type, kind protocol.FailureKind) {
	if what == protocol.TypeRequest {
		c.failures.add(kind)
	} else {
		c.eventsOf(what).failures.add(kind)
	}
}

// ended counts an attempt whose DONE has come.
func (c *counts) ended(x *exchange, took time.Duration, failed bool) {
	if !x.isEvent() {
		c.service.observe(took)
		if c.routes != nil {
			c.routes.of(x.request.(*protocol.Request)).observe(took)
		}
		return
	}
	c.eventService.observe(took)
	if !failed {
		c.eventsOf(x.kind).done.Add(1)
	}
}

func (c *counts) snapshot() Counts {
	s := Counts{
		Failures: c.failures.snapshot(), Retries: c.retries.Load(), Moves: c.moves.Load(),
		Blocks: c.blocks.Load(), Restarts: map[string]uint64{},
		Service: c.service.snapshot(), Boots: c.boots.snapshot(), Events: c.eventCounts(),
		EventService: c.eventService.snapshot(),
		Routes:       c.routes.snapshot(),
	}
	for i := range s.Classes {
		s.Classes[i] = c.classes[i].Load()
	}
	for reason := range restartReasons {
		s.Restarts[reason.String()] = c.restarts[reason].Load()
	}
	return s
}

// keptGenerations is how many generations are counted apart; a host that is reloaded for years must not grow.
const keptGenerations = 5

// track counts for g from now on, and forgets the oldest ones, but for those that are in use: a release that serves
// through many failed reloads is not to vanish from the graphs. In run.
func (p *Pool) track(g *generation) {
	m := &p.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.generations, g) {
		return
	}
	m.generations = append(m.generations, g)
	used := map[*generation]bool{g: true}
	for _, s := range p.slots {
		used[s.gen] = true // also after a crash
	}
	for w := range p.live {
		used[w.gen] = true
	}
	extra := len(m.generations) - keptGenerations
	m.generations = slices.DeleteFunc(m.generations, func(old *generation) bool {
		if extra <= 0 || used[old] {
			return false
		}
		extra--
		return true
	})
}
