// Package web answers the requests of one HTTP listener: it checks them, serves static files, turns the rest into
// exchanges, submits those to a hub.Backend, and gives clients what comes back. A request that becomes a long-lived
// connection leaves it for package peer. It knows no socket but by what a Conn does for it, and no process.
//
// What a reader may rely on:
//   - A slow client costs memory up to a limit, then disk up to a quota, and no worker (body.go, backlog.go).
//   - A response that broke off is aborted, never ended as if it were whole (response.go).
//
// visit.go is where a request comes in, handler.go its way, exchange.go where it meets a worker.
package web

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/host/internal/spool"
)

// Conn is what a request asks of the connection that it came over. Its methods may be called from any goroutine.
type Conn interface {
	// Claim gives the caller the memory that the connection has of its own, until Unclaim. It says false if another
	// request has it.
	Claim() bool
	// Unclaim gives it back.
	Unclaim()
	// EndAfter has an HTTP/1 connection end with the answer at hand, whatever is still to come of the request.
	// lingers says that the client may still be sending that.
	EndAfter(lingers bool)
	// Reason is what the connection found wrong with what it read, if it did, and else what is given.
	Reason(given string) string
	// Answers hears of each status before it is written, where the visit has a recorder.
	Answers(status int)
	// Cut ends the connection in disorder, so that the client can tell.
	Cut()
	// LetGo is the socket, once net/http has let go of the connection.
	LetGo() (peer.Socket, peer.Sock)
	// Bare is what LetGo takes, for a caller who waits for it: no more is looked at what is said, and writes time out
	// by themselves. It is closed with what net/http has given.
	Bare() net.Conn
}

// Options are what does not change.
type Options struct {
	Peers *peer.Peers  // the listener's long-lived connections
	Spool *spool.Spool // shared by all listeners of a host
	Dev   bool         // error pages show details
	// Fault, if not nil, says why the newest code does not run; "" if it does. Browsers are shown it in place of a
	// page; it may be called at any time.
	Fault func() string
	// Shut, if not nil, says whether a request is answered 503 for now, with which words and when to come again: by
	// its route's name, its target and its client.
	Shut   func(route, target, remote string) (text string, wait time.Duration, is bool)
	Ending <-chan struct{} // closed when the listener ends
	Logger hclog.Logger
}

// Handler answers the requests of a listener. Its methods are safe for concurrent use.
type Handler struct {
	options Options
	spool   *spool.Spool
	log     hclog.Logger
	peers   *peer.Peers

	terms     atomic.Pointer[terms]
	tally     tally
	routed    tallies        // guarded by mu
	malformed quiet.Throttle // of requests that were refused for what they are
	foreign   quiet.Throttle // of WebSockets that were refused for their page's origin

	tunnels     atomic.Int64
	toldTunnels sync.Once

	mu     sync.Mutex // over changes of the terms and their folders
	closed bool       // guarded by mu
	hubs   []*hub.Hub // likewise; see Hubs
}

// New makes one that begins with t. Reload opens its folders.
func New(o Options, t Terms) *Handler {
	h := &Handler{options: o, spool: o.Spool, log: o.Logger, peers: o.Peers, routed: tallies{}}
	first := newTerms(t)
	h.count(first)
	h.know(first)
	h.terms.Store(first)
	return h
}

// Terms are those that count now. They are not to be changed.
func (h *Handler) Terms() *Terms { return &h.terms.Load().Terms }

// PeerTerms are those of long-lived connections that begin now.
func (h *Handler) PeerTerms() *peer.Terms { return &h.terms.Load().peers }

// TermsFor are those for a connection in the hub that another host has kept: those of the same route, or else of the
// same pool. nil: there are none, so it can't go on here.
func (h *Handler) TermsFor(in *hub.Hub, route, pool string) *peer.Terms {
	now := h.terms.Load()
	for of := range now.all() {
		if of.Hub == in && of.Route.Name == route && of.Backend != nil {
			return &of.peers
		}
	}
	for of := range now.all() {
		if of.Hub == in && of.Route.Status == 0 && of.Backend != nil && of.Backend.Traits().Pool == pool {
			return &of.peers
		}
	}
	return nil
}

// Reload opens the public folders anew, following symlinks as they are now. If that fails they stay as they were.
func (h *Handler) Reload() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	return h.terms.Load().open()
}

// ReloadReleases opens those public folders anew that a release stands for. What fails stays as it was.
func (h *Handler) ReloadReleases() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	for of := range h.terms.Load().all() {
		if of.Public == "" || of.Releases == nil || of.Releases().Live == "" {
			continue
		}
		f, wrong := openPublic(&of.Terms)
		if err = errors.Join(err, wrong); wrong == nil {
			of.lay(f)
		}
	}
	return err
}

// Close lets go of the folders, and tells what was not told yet. No request comes any more.
func (h *Handler) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.malformed.Flush()
	h.terms.Load().close()
}
