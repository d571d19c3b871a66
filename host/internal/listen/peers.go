// What a listener's long-lived connections share: where they are kept, on what terms, and who waits for their end.

package listen

import (
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

// peers are the long-lived connections of a listener, with all that they know of the listener. Its methods are safe for
// concurrent use.
type peers struct {
	hub        *hub.Hub // nil: there are none
	listener   string   // its address, as it was configured
	terms      func() *peerTerms
	spool      *spool.Spool
	log        hclog.Logger
	ending     <-chan struct{}   // closed when the listener accepts no more
	count      *guard.PerAddress // of the connections
	turnedAway quiet.Throttle    // of clients of TCP and UDP

	running sync.WaitGroup // their goroutines

	mu   sync.Mutex
	over bool // end was called; guarded by mu
}

// peerTerms are what long-lived connections are held on.
type peerTerms struct {
	limits  *SocketLimits
	framing Framing    // of TCP connections that begin
	held    *hub.Terms // for the hub
}

// newPeers keeps connections in h, which may be nil: then there are none. terms gives those of the moment, and ending is
// closed when the listener accepts no more.
func newPeers(
	h *hub.Hub, listener string, terms func() *peerTerms, disk *spool.Spool, log hclog.Logger, ending <-chan struct{},
) *peers {
	return &peers{hub: h, listener: listener, terms: terms, spool: disk, log: log, ending: ending, count: guard.NewPerAddress()}
}

// newPeerTerms are made of a listener's settings.
func newPeerTerms(limits *SocketLimits, framing Framing, b hub.Backend) peerTerms {
	return peerTerms{limits, framing, limits.hubTerms(b)}
}

// limits are those of the moment.
func (p *peers) limits() *SocketLimits { return p.terms().limits }

// begin runs f, which wait waits for. It says false, and does nothing, if end was called.
func (p *peers) begin(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.running.Go(f)
	}
	return !p.over
}

// goOn runs f in the place of the goroutine that calls it, which begin has begun and which ends with that.
func (p *peers) goOn(f func()) { p.running.Go(f) }

// end begins nothing any more.
func (p *peers) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}

// isOver says whether end was called.
func (p *peers) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// wait returns when all that was begun has ended.
func (p *peers) wait() { p.running.Wait() }

// card is what the hub is told of a client's connection.
func (p *peers) card(kind, remote string) hub.Card {
	return hub.Card{Protocol: kind, Remote: remote, Listener: p.listener}
}

// problem says why a listener of TCP or UDP serves nobody, and what to do; "" if all is well.
func (t *peerTerms) problem(kind string) string {
	events := t.held.Backend.Traits().Events
	if kind == protocol.ProtoUDP && events.Message || kind == protocol.ProtoTCP && events.Any() {
		return ""
	}
	return "the pool's workers handle no connections, or none has started: give them a handler of messages " +
		"(onMessage, OnMessage), or the listener another pool"
}

// retune has the connections that are held on old held on now.
func (p *peers) retune(old, now *peerTerms) { p.hub.Retune(old.held, now.held) }
