// How a TCP connection begins: room for it, TLS if the listener has it, and the workers' word.

package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// serveTCP accepts clients until the socket is closed, and then returns nil.
func (s *Server) serveTCP() error {
	for wait := time.Duration(0); ; {
		c, who, err := s.crowd.acceptFor(s.socket, s)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			var passing interface{ Temporary() bool }
			if !errors.As(err, &passing) || !passing.Temporary() {
				return err
			}
			wait = min(max(5*time.Millisecond, 2*wait), time.Second)
			s.log.Error("can't accept: if too many files are open, raise the limit (ulimit -n), or lower max_connections", "error", err, "retry", wait.String())
			time.Sleep(wait)
			continue
		}
		wait = 0
		below := s.clients.add(c, s.crowd, who, s.socketWriteTimeout)
		if !s.begin(func() { s.welcome(below) }) { // ends with the handshake_timeout, or Close
			below.Close()
		}
	}
}

// Problem says why a listener of TCP or UDP serves nobody, and what to do; "" if all is well.
func (s *Server) Problem() string {
	events := s.terms.Load().Backend.Traits().Events
	if s.options.Protocol == HTTP || s.options.Protocol == UDP && events.Message || s.options.Protocol == TCP && events.Any() {
		return ""
	}
	return "the pool's workers handle no connections, or none has started: give them a handler of messages (onMessage, OnMessage), or the listener another pool"
}

// welcome has the workers decide, and has the client served if they take it.
func (s *Server) welcome(below *client) {
	ctx, cancel := s.handshake(context.Background()) // Close cuts the connection
	defer cancel()
	s.acquainted(ctx)
	under := s.terms.Load()
	limits := &under.Sockets
	remote := ""
	if a := below.RemoteAddr(); a.Network() == "tcp" {
		remote = a.String()
	}
	if wrong := s.Problem(); wrong != "" {
		if s.turnedAway.Pass() {
			s.log.Error("clients are turned away: "+wrong, "remote", remote, "pool", under.Backend.Traits().Pool)
		}
		below.Close()
		return
	}
	who, ok := s.tally.enter(remote, limits.MaxPerAddress)
	if !ok {
		s.log.Debug("a TCP connection is turned away: its address has as many as it may", "remote", remote, "max_connections_per_address", limits.MaxPerAddress)
		below.Close()
		return
	}
	c := &tcpConn{server: s, below: below, who: who, framer: framer{framing: under.Framing, loan: loan{spool: s.spool}}}
	if !c.secure(ctx) || !c.open(ctx, under, remote) || !s.begin(c.run) { // run ends with the connection
		if c.link != nil {
			c.link.Closed(protocol.CloseBroken, "", false)
		}
		below.Close()
		s.tally.leave(who)
	}
}

// secure agrees on TLS, if the listener has it. It says false if that failed.
func (c *tcpConn) secure(handshake context.Context) bool {
	if c.server.options.TLS == nil {
		c.sock = newSock(c.below, c.below.Conn)
		return true
	}
	secure := tls.Server(c.below, c.server.tlsConfig())
	if err := secure.HandshakeContext(handshake); err != nil {
		c.server.log.Debug("TLS handshake failed", "remote", c.below.RemoteAddr().String(), "error", err)
		return false
	}
	c.sock = newSock(secure, nil)
	return true
}

// open submits OPEN and waits for what comes of it.
func (c *tcpConn) open(handshake context.Context, under *terms, remote string) bool {
	s := c.server
	c.join(s.options.Hub.Add(c, hub.Card{Protocol: protocol.ProtoTCP, Remote: remote, Listener: s.options.Address}, under.held))
	answers := make(chan hub.Answer, 1)
	c.link.Open(nil, func(a hub.Answer) { answers <- a })
	select {
	case a := <-answers:
		if !a.Accepted {
			return false
		}
	case <-handshake.Done():
		if s.turnedAway.Pass() {
			s.log.Error("a TCP connection is turned away: no worker has accepted it within handshake_timeout",
				"connection", c.link.ID(), "remote", remote)
		}
		return false
	}
	c.link.Opened()
	return true
}
