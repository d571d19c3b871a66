// Package peer has the client's end of long-lived connections: WebSockets, TCP, held responses, and datagrams of UDP.
// What they are to the workers is package hub's; how a request becomes one, and how clients are accepted, is their
// front's. Each has a link (link.go): a socket on an event loop, or a goroutine that reads it, a timer, and no buffer
// while it is idle.
//
// peers.go is what those of one listener share: where they are kept, on what terms, and who waits for their end.
package peer

import (
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/trace"
	"github.com/workerhost/workerhost/protocol"
)

// Peers are the long-lived connections of a listener, with all that they know of the listener. Its methods are safe
// for concurrent use.
type Peers struct {
	listener   string // its address, as it was configured
	terms      func() *Terms
	spool      *spool.Spool
	log        hclog.Logger
	ending     <-chan struct{}   // closed when the listener accepts no more
	Count      *guard.PerAddress // of the connections
	turnedAway quiet.Throttle    // of clients of TCP and UDP

	// see Follow; nil unless another host has taken over
	follow atomic.Pointer[func(Mover, *hub.Connection) (sent, guest bool)]

	running sync.WaitGroup // of what has to end: their goroutines, and those that are read

	mu   sync.Mutex
	over bool // end was called; guarded by mu
}

// Terms are what long-lived connections are kept on.
type Terms struct {
	limits  *SocketLimits
	framing Framing    // of TCP connections that begin
	in      *hub.Hub   // of the realm of the backend; nil: there are none
	hub     *hub.Terms // for the hub
}

// New is for the connections of a listener. terms gives those of the moment, and ending is closed when the listener
// accepts no more.
func New(
	listener string, terms func() *Terms, disk *spool.Spool, log hclog.Logger, ending <-chan struct{},
) *Peers {
	return &Peers{listener: listener, terms: terms, spool: disk, log: log, ending: ending,
		Count: guard.NewPerAddress()}
}

// NewTerms are made of a listener's settings. in, the hub that the workers of b ask, keeps the connections; it may be
// nil: then there are none. tracer has spans of their events; nil is off.
func NewTerms(limits *SocketLimits, framing Framing, b hub.Backend, in *hub.Hub, tracer *trace.Tracer) Terms {
	under := limits.hubTerms(b)
	under.Tracer = tracer
	return Terms{limits, framing, in, under}
}

// Kept are the hub that keeps connections on t, and what it keeps them on.
func (t *Terms) Kept() (*hub.Hub, *hub.Terms) { return t.in, t.hub }

// Named has t be those of a route, by which a host that takes over finds its own.
func (t Terms) Named(route string) Terms {
	t.hub.Route = route
	return t
}

// limits are those of the moment.
func (p *Peers) limits() *SocketLimits { return p.terms().limits }

// Go runs f, which wait waits for. It says false, and does nothing, if end was called.
func (p *Peers) Go(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.running.Go(f)
	}
	return !p.over
}

// enlist has Wait wait for one that is read from now on, until running.Done. It says false if end was called.
func (p *Peers) enlist() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.running.Add(1)
	}
	return !p.over
}

// End has nothing start any more.
func (p *Peers) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// IsOver says whether end was called.
func (p *Peers) IsOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// Wait returns when all that was begun has ended.
func (p *Peers) Wait() { p.running.Wait() }

// card is what the hub is told of a client's connection.
func (p *Peers) card(kind, remote string) hub.Card {
	return hub.Card{Protocol: kind, Remote: remote, Listener: p.listener}
}

// Problem says why a listener of TCP or UDP serves nobody, and what to do; "" if all is well.
func (t *Terms) Problem(kind string) string {
	events := t.hub.Backend.Traits().Events
	if kind == protocol.ProtoUDP && events.Message || kind == protocol.ProtoTCP && events.Any() {
		return ""
	}
	return "the pool's workers handle no connections, or none has started: give them a handler of messages " +
		"(onMessage, OnMessage), or the listener another pool"
}

// Retune has the connections that are kept on the keys of others kept on the values, which are of the same hub.
func Retune(others map[*Terms]*Terms) {
	moved := map[*hub.Hub]map[*hub.Terms]*hub.Terms{}
	for old, now := range others {
		if old.in == nil || old.in != now.in {
			continue
		}
		if moved[old.in] == nil {
			moved[old.in] = map[*hub.Terms]*hub.Terms{}
		}
		moved[old.in][old.hub] = now.hub
	}
	for in, these := range moved {
		in.Retune(these)
	}
}
