// Package listen owns the listeners, of HTTP, TCP and UDP, and every client connection. Requests are package web's,
// long-lived connections package peer's and the hub's. It knows no process and no pool.
//
// What a reader may rely on:
//   - Nothing ambiguous reaches package web: what two parsers might read differently is refused (strict.go).
//   - A client that takes nothing for the write time-out is cut, however long its transfer is (client.go).
//   - A long-lived connection that is idle costs its socket and a timer, and holds no buffer; over TLS, and where
//     there are no event loops, it has a small goroutine as well (package peer).
//
// server.go is a listener's life: New, Listen, Serve, Shutdown, Close.
package listen

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/host/internal/web"
)

// What clients of a listener speak.
const (
	HTTP = "http" // and WebSockets, and held responses
	TCP  = "tcp"
	UDP  = "udp"
)

// Options describe one listener.
type Options struct {
	Address  string       // host:port, :port or unix:/path
	Protocol string       // HTTP if empty; TCP and UDP need terms with a Hub, and heed none that are about requests
	Spool    *spool.Spool // shared by all listeners of a host
	Crowd    *guard.Crowd // shared by all listeners of a host; nil is without a limit
	Dev      bool         // error pages show details
	Bound    Bound        // sockets to take over in place of binding the address; those that are nil are bound
	// Packets, if not nil, is asked for a socket of UDP before one is bound that Bound has not; a nil file is none. It
	// is asked whenever HTTP/3 is turned on.
	Packets func() (*os.File, error)
	Loops   *loop.Set // on which cleartext is served; shared by all, and ends after them; nil: there are none
	// Fault, if not nil, says why the newest code does not run; "" if it does. Browsers are shown it in place of a
	// page; it may be called at any time.
	Fault  func() string
	Shut   func(route, target, remote string) (text string, wait time.Duration, is bool) // as in [web.Options]
	Logger hclog.Logger
	Terms  // those that the listener begins with
}

// Server is one listener. One of HTTP speaks HTTP/1.1 and HTTP/2 with prior knowledge, or HTTP/1.1 and HTTP/2 by ALPN
// over TLS, and HTTP/3 where the terms say so. Its methods are safe for concurrent use, but Listen and Serve are
// called once, in this order.
type Server struct {
	options Options
	log     hclog.Logger

	terms   atomic.Pointer[Terms]
	keys    atomic.Pointer[keys]         // of TLS
	socket  net.Listener                 // set by Listen
	packets *peer.Packets                // of UDP, in the socket's place
	in      acceptor                     // set by Serve
	lane    atomic.Pointer[laneAcceptor] // likewise; nil: all is net/http's
	clients *clients
	crowd   *guard.Crowd
	peers   *peer.Peers   // the long-lived connections
	ending  chan struct{} // closed by end
	web     *web.Handler

	quic     atomic.Pointer[quicPort]         // set under mu; nil: there is no HTTP/3, nor anybody left of it
	vacated  atomic.Pointer[func(Idle) error] // who takes connections that wait; nil: they stay
	retiring sync.WaitGroup                   // of fronts; added to under mu, while not closed

	mu      sync.Mutex
	servers []*httpServer // the last one accepts, the others have connections left; guarded by mu, as all below
	serving bool
	closed  bool
	left    bool   // LetGo has been called
	early   []Idle // adopted before Serve
}

// New makes a listener without binding it. It reads the certificates and opens the public folder, so that their errors
// come early.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Protocol == "" {
		o.Protocol = HTTP
	}
	if o.Crowd == nil {
		o.Crowd = guard.NewCrowd(0, 0, nil, o.Logger)
	}
	if o.Spool == nil {
		o.Spool = spool.New("", 4<<30, o.Logger)
	}
	o.certify()
	s := &Server{options: o, log: o.Logger, clients: newClients(o.Loops), crowd: o.Crowd, ending: make(chan struct{})}
	s.peers = peer.New(o.Address, func() *peer.Terms { return s.web.PeerTerms() }, o.Spool, o.Logger, s.ending)
	s.terms.Store(&o.Terms)
	s.web = web.New(web.Options{
		Peers: s.peers, Spool: o.Spool, Dev: o.Dev, Fault: o.Fault, Shut: o.Shut, Ending: s.ending, Logger: o.Logger,
	}, o.Terms.Terms)
	if err := s.Reload(); err != nil {
		return nil, err
	}
	s.servers = []*httpServer{s.newHTTPServer(o.Limits)}
	return s, nil
}

// Listen binds the address, or takes over what is bound. Its errors say what to do about them.
func (s *Server) Listen() error {
	defer s.options.Bound.Close() // of what is not served any more
	if s.options.Protocol == UDP {
		conn, err := s.bindPackets(s.options.Address)
		if err != nil {
			return err
		}
		s.packets = peer.NewPackets(s.peers, conn)
		return nil
	}
	inherited := s.options.Bound.Socket != nil
	socket, packets, err := s.bindBoth()
	if err != nil {
		return err
	}
	if packets != nil {
		s.quic.Store(s.newQUIC(packets))
	}
	if err := s.options.Socket.grant(s.options.Address); err != nil {
		if own, ok := socket.(*net.UnixListener); ok && inherited { // whose file is another host's still
			own.SetUnlinkOnClose(false)
		}
		socket.Close()
		return err
	}
	s.socket = socket
	return nil
}

// Address is what the listener is bound to, in the form of Options.Address; with port 0 it names the port that was
// given.
func (s *Server) Address() string {
	if s.packets != nil {
		return s.packets.Address()
	}
	if s.socket == nil {
		return s.options.Address
	}
	if a := s.socket.Addr(); a.Network() == "unix" {
		return unixPrefix + a.String()
	}
	return s.socket.Addr().String()
}

// Serve answers clients until Shutdown or Close, and then returns nil.
func (s *Server) Serve() error {
	switch s.options.Protocol {
	case TCP:
		return s.serveTCP()
	case UDP:
		return s.packets.Serve()
	}
	in := &crowdAcceptor{Listener: s.socket, server: s}
	s.in = s.acceptorOf(in)
	s.mu.Lock()
	if s.serving = true; !s.closed {
		s.serveQUIC(s.quic.Load())
	}
	early := s.early
	s.early = nil
	s.mu.Unlock()
	for _, i := range early {
		if err := s.AdoptIdle(i); err != nil {
			s.log.Warn("a connection of the host before is closed", "error", err)
		}
	}
	for {
		f, more := s.current()
		if !more {
			s.in.Close()
			return nil
		}
		err := f.http.Serve(f)
		select {
		case <-f.retired:
			continue // the next one accepts
		default:
		}
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
}

func (s *Server) acceptorOf(in net.Listener) acceptor {
	if s.options.TLS != nil {
		return s.listenTLS(in)
	}
	if s.options.Loops != nil {
		l := s.listenLane(in)
		s.lane.Store(l)
		return l
	}
	return strictAcceptor{in, s}
}

// Shutdown stops accepting, lets requests in flight finish, and closes connections as parting.go says; long-lived
// ones are told that the host goes, and their last events handled. When ctx is done it returns its error and leaves
// the rest to Close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.awaitLeft(ctx)
	s.end()
	servers := s.httpServers()
	errs := make([]error, len(servers)+5)
	var all sync.WaitGroup
	all.Go(func() {
		if s.farewell(ctx) > 0 {
			errs[len(servers)] = ctx.Err()
		}
	})
	all.Go(func() {
		s.clients.part(ctx)
		errs[len(servers)+2] = s.drainLane(ctx)
		var requests sync.WaitGroup
		for i, f := range servers {
			requests.Go(func() { errs[i] = f.http.Shutdown(ctx) })
		}
		requests.Wait() // what is in flight may become a tunnel
		errs[len(servers)+4] = s.web.AwaitTunnels(ctx)
	})
	if s.packets != nil {
		all.Go(func() { errs[len(servers)+1] = s.packets.Drain(ctx) })
	}
	if p := s.quic.Load(); p != nil {
		all.Go(func() { errs[len(servers)+3] = p.drain(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// farewell closes this listener's long-lived connections, and says how many were left when ctx was done. They are cut.
func (s *Server) farewell(ctx context.Context) (left int) {
	if s.options.Protocol == UDP { // that address may be a listener of TCP, too
		return 0
	}
	spread := s.web.Terms().Sockets.ShutdownSpread
	if ctx.Err() != nil {
		spread = 0
	}
	var all sync.WaitGroup
	var slow atomic.Int64
	for _, h := range s.web.Hubs() {
		all.Go(func() {
			slow.Add(int64(h.Shutdown(ctx, spread, func(c *hub.Connection) bool {
				return c.Card().Listener == s.options.Address
			})))
		})
	}
	all.Wait()
	return int(slow.Load())
}

// end stops accepting. Serve may not have begun, and a second call does no harm.
func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		close(s.ending)
	}
	s.closed = true
	for _, i := range s.early {
		i.Socket.Close()
	}
	s.early = nil
	if s.socket != nil {
		s.socket.Close()
	}
	if s.packets != nil {
		s.packets.End()
	}
	if p := s.quic.Load(); p != nil {
		p.end()
	}
}

// Close ends everything at once: connections are cut, and what workers still do for them is cancelled.
func (s *Server) Close() error {
	s.end()
	s.peers.End()
	var err error
	for _, f := range s.httpServers() {
		err = errors.Join(err, f.http.Close())
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	s.farewell(gone)
	s.retiring.Wait()
	s.clients.closeAll()
	if p := s.quic.Load(); p != nil {
		p.close()
	}
	if s.packets != nil {
		s.packets.Close()
	}
	s.peers.Wait()
	_ = s.web.AwaitTunnels(context.Background()) // whose sockets are closed
	s.web.Close()
	return err
}

// Reload reads the files of TLS and opens the public folder anew, following symlinks as they are now. What fails
// stays as it was, and the error names it.
func (s *Server) Reload() error { return errors.Join(s.ReloadTLS(), s.web.Reload()) }

// ReloadReleases opens those public folders anew that a release stands for ([web.Terms.Releases]).
func (s *Server) ReloadReleases() error { return s.web.ReloadReleases() }

// Refused is how many requests the listener answered by itself, by [web.Refusal.String]; connections that it turned
// away are among them.
func (s *Server) Refused() map[string]uint64 { return s.web.Refused() }

// StaticFiles is how many requests a file of the public folder was the answer to.
func (s *Server) StaticFiles() uint64 { return s.web.StaticFiles() }

// Routed is how many requests each route of the listener has taken, by name, the most exact first.
func (s *Server) Routed() iter.Seq2[string, uint64] { return s.web.Routed() }
