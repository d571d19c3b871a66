// room.go: the dials of a realm, and who may ask for them.

package dial

import (
	"context"
	"crypto/x509"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// Settings are what a room is made of.
type Settings struct {
	Hub    *hub.Hub
	Loops  *loop.Set // nil: there are none
	Spool  *spool.Spool
	Tracer func() *trace.Tracer // of events; may give nil, which is off
	Agent  string               // the User-Agent of requests that name none
	Roots  *x509.CertPool       // of servers over TLS; nil: the system's
	Log    hclog.Logger
}

// Room has the dials of a realm. Its methods are safe for concurrent use.
type Room struct {
	Settings
	ending  chan struct{}  // closed by Shutdown
	running sync.WaitGroup // of tries, and of dials that have a connection; added to under mu, while not closed

	mu sync.Mutex
	// guarded by mu
	dials  map[string]*dial
	begun  bool // Start was called: until then everything waits
	closed bool
	counts Counts
}

// Counts are what became of dials. Standing is about now.
type Counts struct {
	Standing int
	Tries    uint64
	Failed   uint64 // of Tries
}

// New makes a room whose dials wait for Start.
func New(s Settings) *Room {
	return &Room{Settings: s, ending: make(chan struct{}), dials: map[string]*dial{}}
}

// Start has dials begin from now on. A second call does nothing.
func (r *Room) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun || r.closed {
		return
	}
	r.begun = true
	for _, d := range r.dials {
		d.launch()
	}
}

// Configure has the dials of the configuration be those of all, which have been checked: what it has no more is hung
// up, and what it has in another way begins anew. One of a worker's that has such a name gives way.
func (r *Room) Configure(all []*Order) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := map[string]bool{}
	for _, o := range all {
		keep[o.Name] = true
		d := r.dials[o.Name]
		switch {
		case r.closed:
		case d == nil:
			r.add(o, true)
		case d.latest().sameTerms(o) && !d.ending:
			d.fixed, d.words = true, nil
			d.renew(o)
		default:
			d.fixed, d.words = true, nil
			d.replace(o)
		}
	}
	for name, d := range r.dials {
		if d.fixed && !keep[name] {
			d.close()
		}
	}
}

// add has a dial of the name begin. r.mu is held.
func (r *Room) add(o *Order, fixed bool) *dial {
	d := &dial{room: r, name: o.Name, order: o, start: o.start(), fixed: fixed, phase: waiting}
	r.dials[o.Name] = d
	if r.begun {
		d.launch()
	}
	return d
}

// Open is what dial.open does, for an order that has been checked. It answers with one of protocol's Dial constants.
func (r *Room) Open(o *Order) (string, error) {
	asker := o.Owner
	if asker.Of != nil {
		o.Owner = asker.Of
	}
	if err := r.Hub.CheckStart(o.start(), new(hub.Terms)); err != nil {
		return "", refuse(protocol.CallInvalidArgument, "%v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", refuse(protocol.CallUnavailable, "the host stops")
	}
	d := r.dials[o.Name]
	switch {
	case d == nil || d.ending && d.next == nil && !d.fixed:
		if n := r.ownedBy(o.Owner); n >= o.Owner.Most() {
			return "", refuse(protocol.CallUnavailable,
				"pool %s has %d dials, as many as dials of [pool.%s.fetch] allows", o.Owner.Pool, n, o.Owner.Pool)
		}
		if d == nil {
			d = r.add(o, false)
		} else {
			d.replace(o)
		}
		if !asker.Provisional {
			d.hears(o)
		}
		return protocol.DialBegun, nil
	case d.latest().sameTerms(o):
		if !d.fixed && !asker.Provisional {
			d.hears(o)
			if !o.yields(d.latest()) {
				d.renew(o)
			}
		}
		return protocol.DialThere, nil
	case d.fixed:
		return "", refuse(protocol.CallPermissionDenied,
			"a [[dial]] of the configuration has the name %q, with other terms", o.Name)
	case d.latest().Owner != o.Owner:
		return "", refuse(protocol.CallPermissionDenied, "the name %q is a dial's of pool %s", o.Name,
			d.latest().Owner.Pool)
	case asker.Provisional:
		return protocol.DialThere, nil
	}
	d.hears(o)
	if o.yields(d.latest()) {
		return protocol.DialThere, nil
	}
	d.replace(o)
	return protocol.DialReplaced, nil
}

// ownedBy is how many dials workers of a pool have asked for. r.mu is held.
func (r *Room) ownedBy(of *Owner) (n int) {
	for _, d := range r.dials {
		if !d.fixed && d.latest().Owner == of {
			n++
		}
	}
	return n
}

// Close is what dial.close does. It says whether there was such a dial.
func (r *Room) Close(name string) (was bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dials[name]
	switch {
	case d == nil || d.ending && d.next == nil:
		return false, nil
	case d.fixed:
		return false, refuse(protocol.CallPermissionDenied, "the configuration has a [[dial]] of the name %q", name)
	}
	d.close()
	return true, nil
}

// ID is the id of the connection that stands under a name; "" if none does.
func (r *Room) ID(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.dials[name]; d != nil && d.phase == standing {
		return d.connection.ID()
	}
	return ""
}

// Disown ends the dials of a pool, as a stop does. It returns when their CLOSEs have been handled, or ctx is done.
func (r *Room) Disown(ctx context.Context, of *Owner) {
	r.mu.Lock()
	for _, d := range r.dials {
		if d.latest().Owner == of {
			d.leave()
		}
	}
	r.mu.Unlock()
	r.Hub.Shutdown(ctx, 0, func(c *hub.Connection) bool {
		return c.Terms().Dial != nil && c.Terms().Backend == of.Backend
	})
}

// Amend follows a reload of a pool, however that ended, and looks at what its workers have asked for by the code and
// the terms that are live now: a dial goes back to what that code has asked for, if newer code had replaced it; what
// the terms do not allow is hung up, and the log says so. fence may be nil, which allows nothing.
func (r *Room) Amend(of *Owner, fence Fence) {
	r.mu.Lock()
	var gone, went []*Order
	var stay []string
	for _, d := range r.dials {
		o := d.latest()
		if d.fixed || d.ending && d.next == nil || o.Owner != of {
			continue
		}
		back, stays := d.wayBack()
		next := *o
		if back != nil {
			next = *back
			next.Generation, _ = of.Serving()
		}
		next.Fence = fence
		switch {
		case fence == nil || next.Check() != nil:
			gone = append(gone, o)
			d.close()
			continue
		case back != nil:
			went = append(went, &next)
			d.replace(&next)
		default:
			d.renew(&next)
		}
		if stays && d.told != o.Generation {
			d.told = o.Generation
			stay = append(stay, d.name)
		}
	}
	r.mu.Unlock()
	r.tellStaying(of, stay)
	for _, o := range went {
		r.Log.Info("a dial goes back to what the code that serves has asked for", "dial", o.Name, "url", o.shown(),
			"pool", o.Owner.Pool, "generation", o.Generation)
	}
	for _, o := range gone {
		r.Log.Warn("a dial is hung up, since [fetch] of its pool does not allow it any more", "dial", o.Name,
			"url", o.shown(), "pool", o.Owner.Pool)
	}
}

// Shutdown ends all dials, with 1001, and has none begin. It returns when their CLOSEs have been handled, or ctx is
// done.
func (r *Room) Shutdown(ctx context.Context) {
	r.Leave()
	r.Hub.Shutdown(ctx, 0, func(c *hub.Connection) bool { return c.Terms().Dial != nil })
	done := make(chan struct{})
	go func() { r.running.Wait(); close(done) }() // ends with the last of them, whose sockets are closed
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Counts may be called at any time.
func (r *Room) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	for _, d := range r.dials {
		if d.phase == standing {
			c.Standing++
		}
	}
	return c
}

// peers are what a connection of an order is kept by.
func (r *Room) peers(o *Order) (*peer.Peers, *peer.Terms) {
	var tracer *trace.Tracer
	if r.Tracer != nil {
		tracer = r.Tracer()
	}
	terms := peer.NewTerms(o.limits(), o.framing(), o.Owner.Backend, r.Hub, tracer)
	log := r.Log.With("dial", o.Name)
	return peer.New(protocol.ListenerDial, func() *peer.Terms { return &terms }, r.Spool, log, r.ending), &terms
}

const openTime = 30 * time.Second // for workers to accept a connection
