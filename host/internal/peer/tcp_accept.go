// How a TCP connection begins: TLS if the listener has it, room for its address, and the workers' word.

package peer

import (
	"context"
	"crypto/tls"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Welcome has the workers decide, and has the client served if they take it. secure is nil where there is no TLS.
func (p *Peers) Welcome(below Socket, secure *tls.Config) {
	ctx, cancel := p.Handshake(context.Background()) // Close cuts the connection
	defer cancel()
	p.Acquainted(ctx, p.terms)
	under := p.terms()
	limits := under.limits
	remote := ""
	if a := below.RemoteAddr(); a.Network() == "tcp" {
		remote = a.String()
	}
	if wrong := under.Problem(protocol.ProtoTCP); wrong != "" {
		if p.turnedAway.Pass() {
			p.log.Error("clients are turned away: "+wrong, "remote", remote, "pool", under.hub.Backend.Traits().Pool)
		}
		below.Close()
		return
	}
	who, ok := p.Count.Enter(remote, limits.MaxPerAddress)
	if !ok {
		p.log.Debug("a TCP connection is turned away: its address has as many as it may",
			"remote", remote, "max_connections_per_address", limits.MaxPerAddress)
		below.Close()
		return
	}
	c := &tcpConn{
		link:   link{peers: p, below: below, who: who},
		framer: framer{framing: under.framing, loan: loan{spool: p.spool}},
	}
	if !c.secure(ctx, secure) || !c.open(ctx, under, remote) || !c.serve(c, c.tick) {
		if c.Connection != nil {
			c.link.Closed(protocol.CloseBroken, "", false)
		}
		c.below.Close()
		p.Count.Leave(who)
	}
}

// secure agrees on TLS, if config says so. It says false if that failed.
func (c *tcpConn) secure(handshake context.Context, config *tls.Config) bool {
	if config == nil {
		c.below, c.sock = c.below.LetGo()
		return true
	}
	secure := tls.Server(c.below, config)
	if err := secure.HandshakeContext(handshake); err != nil {
		c.peers.log.Debug("TLS handshake failed", "remote", c.below.RemoteAddr().String(), "error", err)
		return false
	}
	c.sock = NewSock(secure, nil)
	return true
}

// open submits OPEN and waits for what comes of it.
func (c *tcpConn) open(handshake context.Context, under *Terms, remote string) bool {
	p := c.peers
	c.join(under.in.Add(c, p.card(protocol.ProtoTCP, remote), under.hub))
	answers := make(chan hub.Admission, 1)
	c.link.Open(nil, func(a hub.Admission) { answers <- a })
	select {
	case a := <-answers:
		if !a.Accepted {
			return false
		}
	case <-handshake.Done():
		if p.turnedAway.Pass() {
			p.log.Error("a TCP connection is turned away: no worker has accepted it within handshake_timeout",
				"connection", c.ID(), "remote", remote)
		}
		return false
	}
	c.link.Opened()
	return true
}
