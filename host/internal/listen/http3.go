// HTTP/3: QUIC at the listener's own port over UDP, by quic-go, for the same handler as all other clients. Without it
// there is no socket and no goroutine. http3.go is the socket's life, http3_conn.go a client's connection,
// http3_frames.go what is read along there, http3_request.go what stands between quic-go and package web.

package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlogwriter"
)

// quicPort is the UDP socket and who is connected through it.
type quicPort struct {
	server    *Server
	socket    *net.UDPConn
	announced []string // for other clients, where this is (Alt-Svc, RFC 7838)
	transport *quic.Transport
	shaking   atomic.Int64 // handshakes under way

	mu       sync.Mutex
	open     map[*quicConn]struct{} // guarded by mu, as all below
	listener *quic.Listener         // nil: nobody new is let in
	kept     int                    // preparations of terms that may want it
	closed   bool
	gone     chan struct{}  // closed when the port is free again
	running  sync.WaitGroup // added to under mu, while not closed
}

const (
	// doubtfulHandshakes is how many may be under way before a client has to show that its address is its own.
	doubtfulHandshakes = 64
	mostHandshakes     = 1024 // at a time
	mostStreams        = 100  // requests that a client may have under way
	mostOneWayStreams  = 8    // three are needed (RFC 9114 §6.2)
	quicWindow         = 1 << 20
	// leastQUICIdleTime is how long a client may be silent that has a request under way: it is for the client to
	// keep the path open meanwhile (RFC 9114 §5.1).
	leastQUICIdleTime = 30 * time.Second
	// longestQUICIdleTime is for an idle_timeout of 0: nothing else tells of a client that is gone.
	longestQUICIdleTime = 24 * time.Hour
	altSvcAge           = 24 * time.Hour
)

// bindQUIC takes the port of the listener's socket, for UDP.
func (s *Server) bindQUIC() (*net.UDPConn, error) {
	address, ok := s.socket.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("listen on %s: HTTP/3 needs host:port or :port", s.options.Address)
	}
	c, err := s.bindPackets(address.String())
	if err != nil {
		return nil, fmt.Errorf("HTTP/3: %w", err)
	}
	return c, nil
}

// bindBoth binds the address for TCP and for HTTP/3. With port 0 it looks for one that is free for both.
func (s *Server) bindBoth() (net.Listener, *net.UDPConn, error) {
	for tries := 1; ; tries++ {
		socket, err := s.bindSocket()
		if err != nil || !s.terms.Load().HTTP3 {
			return socket, nil, err
		}
		s.socket = socket
		packets, err := s.bindQUIC()
		if err == nil {
			return socket, packets, nil
		}
		s.socket = nil
		socket.Close()
		if _, port, _ := net.SplitHostPort(s.options.Address); port != "0" || tries == 20 ||
			!errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}

func (s *Server) newQUIC(socket *net.UDPConn) *quicPort {
	p := &quicPort{server: s, socket: socket, open: make(map[*quicConn]struct{}), gone: make(chan struct{})}
	p.announced = []string{fmt.Sprintf(`h3=":%d"; ma=%d`, socket.LocalAddr().(*net.UDPAddr).Port,
		int(altSvcAge.Seconds()))}
	p.transport = &quic.Transport{
		Conn:                socket,
		ConnContext:         p.meet,
		VerifySourceAddress: func(net.Addr) bool { return p.shaking.Load() >= doubtfulHandshakes },
	}
	return p
}

// silenceLibrary keeps quic-go from telling of small buffers in a way of its own; tellBuffers does it.
var silenceLibrary = sync.OnceFunc(func() { os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") })

// serve lets clients in.
func (p *quicPort) serve() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		return nil
	}
	silenceLibrary()
	listener, err := p.transport.Listen(http3.ConfigureTLSConfig(p.server.tlsConfig()),
		&quic.Config{GetConfigForClient: p.config})
	if err != nil {
		return fmt.Errorf("HTTP/3 on %s: %w", p.socket.LocalAddr(), err)
	}
	p.listener = listener
	p.tellBuffers()
	p.running.Go(func() { // ends with the listener
		for {
			c, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			p.accept(c)
		}
	})
	return nil
}

// config is what QUIC heeds for a connection that begins now. There is no 0-RTT: what comes with it could be sent
// again by anybody who has seen it.
func (p *quicPort) config(*quic.ClientInfo) (*quic.Config, error) {
	idle := p.server.web.Terms().Limits.IdleTimeout
	if idle == 0 {
		idle = longestQUICIdleTime
	}
	return &quic.Config{
		HandshakeIdleTimeout: handshakeTimeout / 2, // and all of it has twice that
		MaxIdleTimeout:       max(idle, leastQUICIdleTime),
		MaxIncomingStreams:   mostStreams, MaxIncomingUniStreams: mostOneWayStreams,
		InitialStreamReceiveWindow: quicWindow / 2, MaxStreamReceiveWindow: quicWindow,
		InitialConnectionReceiveWindow: quicWindow, MaxConnectionReceiveWindow: quicWindow,
		Tracer: func(ctx context.Context, _ bool, _ quic.ConnectionID) qlogwriter.Trace {
			return ctx.Value(quicKey{}).(*quicConn)
		},
	}, nil
}

type quicKey struct{}

var errTooMany = errors.New("too many connections")

// meet makes the connection of a client that has said its first word, unless it is one too many; it may be forged.
func (p *quicPort) meet(ctx context.Context, who *quic.ClientInfo) (context.Context, error) {
	if p.shaking.Add(1) > mostHandshakes || p.full(who.RemoteAddr) {
		p.shaking.Add(-1)
		return nil, errTooMany
	}
	c := newQUICConn(p)
	context.AfterFunc(ctx, c.shaken) // the handshake has failed, perhaps
	return context.WithValue(ctx, quicKey{}, c), nil
}

// full says whether a client from there would be turned away, and if so, it is.
func (p *quicPort) full(remote net.Addr) bool {
	who, limit := p.server.enter(remote)
	if limit == "" {
		p.server.crowd.Leave(who)
		return false
	}
	p.turnAway(remote, limit)
	return true
}

func (p *quicPort) turnAway(remote net.Addr, limit string) {
	p.server.web.TurnedAway()
	p.server.crowd.Warn(remote, limit)
}

// accept has a connection served whose handshake is complete.
func (p *quicPort) accept(q *quic.Conn) {
	c := q.Context().Value(quicKey{}).(*quicConn)
	c.shaken()
	who, limit := p.server.enter(q.RemoteAddr())
	if limit != "" {
		p.turnAway(q.RemoteAddr(), limit)
		q.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), limit)
		return
	}
	c.quic, c.who = q, who
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.server.crowd.Leave(who)
		q.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
		return
	}
	p.open[c] = struct{}{}
	p.running.Go(c.serve) // ends with the connection
}

func (p *quicPort) forget(c *quicConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	p.server.crowd.Leave(c.who)
}

func (p *quicPort) list() []*quicConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*quicConn, 0, len(p.open))
	for c := range p.open {
		all = append(all, c)
	}
	return all
}

// end lets nobody new in. serve may take that back.
func (p *quicPort) end() {
	p.mu.Lock()
	listener := p.listener
	p.listener = nil
	p.mu.Unlock()
	if listener != nil {
		listener.Close()
	}
}

// drain has those that are connected told to go elsewhere with what comes next (RFC 9114 §5.2), and returns when none
// is left, or ctx's error.
func (p *quicPort) drain(ctx context.Context) error {
	look := time.NewTicker(partingLook)
	defer look.Stop()
	for {
		all := p.list()
		if len(all) == 0 {
			return nil
		}
		now := time.Now()
		for _, c := range all {
			c.part(now)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close cuts all that is connected, and gives the port back. A second call waits for the first one.
func (p *quicPort) close() {
	p.end()
	p.mu.Lock()
	again := p.closed
	p.closed = true
	p.mu.Unlock()
	if again {
		<-p.gone
		return
	}
	for _, c := range p.list() {
		c.close(http3.ErrCodeNoError, "")
	}
	p.running.Wait()
	p.transport.Close()
	p.socket.Close()
	close(p.gone)
}
