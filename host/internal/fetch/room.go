// room.go: the fetches of a pool, and how many there may be.

package fetch

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// mostReserved is how many bytes the bodies of a pool's requests and what is kept of answers may take together.
const mostReserved = 256 << 20

// mostUntold is how many FETCHED may wait for workers before no new fetch begins.
const mostUntold = 10000

// Room is a [hub.Backend] before another one, which makes the requests that its workers leave to the host. Its methods
// are safe for concurrent use.
type Room struct {
	hub.Backend
	agent string
	log   hclog.Logger
	on    atomic.Bool // a generation has had terms that allow something

	reserved atomic.Int64
	untold   atomic.Int64
	counted  counters

	mu      sync.Mutex
	terms   *Terms         // the latest, whose client goes on being used if the next has the same networks
	hosts   map[string]int // fetches at each
	atOnce  int
	ending  bool
	closed  context.Context // a fetch ends with it
	close   context.CancelFunc
	running sync.WaitGroup // fetches, and FETCHED that are not told; added to under mu, while not ending
}

// NewRoom makes one that fetches nothing yet. agent is the User-Agent of requests that name none. StandBefore has to
// follow, but in a room whose Terms alone are used.
func NewRoom(agent string, log hclog.Logger) *Room {
	r := &Room{agent: agent, log: log, hosts: map[string]int{}}
	r.closed, r.close = context.WithCancel(context.Background())
	return r
}

// StandBefore has the room submit to another backend. It is called once, before anybody submits.
func (r *Room) StandBefore(b hub.Backend) { r.Backend = b }

// Terms makes those of a generation. What its workers answer is judged by them where their pool has them as the Terms
// of its settings.
func (r *Room) Terms(s Settings) *Terms {
	t := &Terms{Settings: s}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.terms; old != nil && slices.EqualFunc(old.Networks, s.Networks, func(a, b netip.Prefix) bool {
		return a == b
	}) {
		t.client = old.client
	} else {
		t.client = newTransport(s.Networks)
	}
	r.terms = t
	r.on.Store(r.on.Load() || len(s.Allow) > 0)
	return t
}

// Opened says whether any of its terms allowed something.
func (r *Room) Opened() bool { return r.on.Load() }

// Submit implements [hub.Backend].
func (r *Room) Submit(x *protocol.Exchange) protocol.Ticket {
	if _, is := x.Request.(*protocol.Request); !is || !r.on.Load() {
		return r.Backend.Submit(x)
	}
	return r.follow(x)
}

// Close waits until all fetches are over and told, but no longer than drain; then it ends those that go on, and gives
// them, and FETCHED that nobody takes, as long as parting. With now both have passed. What is left is for the pool's
// end, which fails it. No new fetch begins.
func (r *Room) Close(now context.Context, drain, parting time.Duration) {
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { r.running.Wait(); close(done) }() // ends with the last FETCHED, at the latest when the pool does
	r.await(now, done, drain)
	r.mu.Lock()
	r.close()
	terms := r.terms
	r.mu.Unlock()
	r.await(now, done, parting)
	if terms != nil {
		terms.client.CloseIdleConnections()
	}
}

func (r *Room) await(now context.Context, done <-chan struct{}, limit time.Duration) {
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	case <-now.Done():
	}
}

// Why a fetch does not begin.
const (
	crowdAll    = "as many are under way as at_once allows"
	crowdHost   = "as many to this host are under way as per_host allows"
	crowdMemory = "what all of them keep fills the memory for it"
	crowdUntold = "too many that are over wait for a worker that is told of them"
	isClosed    = "the host stops"
)

// enter takes a place for a fetch to host, or says why there is none. leave gives it back.
func (r *Room) enter(t *Terms, host string) (why string) {
	if r.untold.Load() >= mostUntold {
		return crowdUntold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ending:
		return isClosed
	case r.atOnce >= t.AtOnce:
		return crowdAll
	case r.hosts[host] >= t.PerHost:
		return crowdHost
	}
	r.atOnce++
	r.hosts[host]++
	r.running.Add(1)
	return ""
}

// leave gives a fetch's place back, but for running, which goes on until the fetch is told.
func (r *Room) leave(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.atOnce--
	if r.hosts[host]--; r.hosts[host] == 0 {
		delete(r.hosts, host)
	}
}

// reserve takes memory for n bytes, which has to be given back with -n. It says whether there was any.
func (r *Room) reserve(n int64) bool {
	if r.reserved.Add(n) > mostReserved && n > 0 {
		r.reserved.Add(-n)
		return false
	}
	return true
}

// counters are what became of fetches.
type counters struct {
	mu      sync.Mutex
	ends    map[string]uint64
	refused map[string]uint64
	bytes   uint64
	heads   uint64
	waited  time.Duration
}

// Counts are what became of a pool's fetches.
type Counts struct {
	Under   int               // at the moment
	Untold  int               // FETCHED that no worker has had yet
	Ends    map[string]uint64 // those that are over, by how: the words of FETCHED's end
	Refused map[string]uint64 // those that never began, by why: "not allowed", "malformed", "crowd"
	Bytes   uint64            // of the bodies of answers
	Heads   uint64            // answers whose head has come
	Waited  time.Duration     // how long these took to it, together
}

// Kinds of [Counts].Refused.
const (
	RefusedPlace   = "not allowed"
	RefusedForm    = "malformed"
	RefusedCrowded = "crowd"
)

// Counts may be called at any time.
func (r *Room) Counts() Counts {
	r.mu.Lock()
	under := r.atOnce
	r.mu.Unlock()
	c := &r.counted
	c.mu.Lock()
	defer c.mu.Unlock()
	all := Counts{Under: under, Untold: int(r.untold.Load()), Bytes: c.bytes, Heads: c.heads, Waited: c.waited,
		Ends: map[string]uint64{}, Refused: map[string]uint64{}}
	for _, end := range [...]string{protocol.FetchComplete, protocol.FetchLeft, protocol.FetchBroke,
		protocol.FetchTimeout, protocol.FetchLimit, protocol.FetchRefused} {
		all.Ends[end] = c.ends[end]
	}
	for _, why := range [...]string{RefusedPlace, RefusedForm, RefusedCrowded} {
		all.Refused[why] = c.refused[why]
	}
	return all
}

func (c *counters) refuse(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]uint64{}
	}
	c.refused[why]++
}

func (c *counters) head(after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads++
	c.waited += after
}

func (c *counters) end(how string, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends == nil {
		c.ends = map[string]uint64{}
	}
	c.ends[how]++
	c.bytes += uint64(bytes)
}
