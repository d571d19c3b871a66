// Dialed connections: those that the host has made, with another server as the client (SPEC.md §16). How one begins is
// its dialer's; from then on it is as one that was accepted.

package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/protocol"
)

// Dialed is a connection that the host has made, with all handshakes behind it.
type Dialed struct {
	Conn   net.Conn // what is spoken on: the socket, or TLS over it
	Direct net.Conn // the socket
	Ahead  []byte   // what has come behind the handshake

	Protocol string // ProtoWebSocket, ProtoTCP or ProtoSSE
	Remote   string
	As       *protocol.Dialed
	Start    hub.Start
	Stands   func(*hub.Connection) // called once the workers have accepted it, before any message
	Over     func(hub.Start)       // as in [hub.Hub.Dial]
	Events   *EventStream          // of ProtoSSE
}

// errors of [Peers.Dial].
var (
	errNotHandled  = errors.New("the pool's workers handle no connections: give them onMessage, or OnMessage")
	errRefused     = errors.New("a worker has refused it")
	errUndecided   = errors.New("no worker has accepted it in time")
	errListenerEnd = errors.New("the host stops")
)

// Dial has the workers decide whether a connection may stay, within ctx, and serves it then. If it returns an error
// the socket is closed, and d.Over has been called, or will be, or was not needed.
func (p *Peers) Dial(ctx context.Context, d *Dialed, loops *loop.Set, under *Terms) error {
	end := p.dialed(d, under)
	l := end.bond()
	l.below, l.sock = release(d, loops, func() time.Duration { return p.limits().WriteTimeout })
	l.ahead = d.Ahead
	own := *under.hub
	own.Dial = d.As
	c, err := under.in.Dial(end, p.card(d.Protocol, d.Remote), &own, d.Start, d.Over)
	if err != nil {
		l.discard()
		return err
	}
	l.join(c)
	if err = l.opens(ctx, under); err == nil {
		d.Stands(c)
		if l.Opened(); !end.serves() {
			err = errListenerEnd
		}
	}
	if err != nil {
		c.Closed(protocol.CloseBroken, "", false)
		l.discard()
	}
	return err
}

// dialedPeer is a kind of connection that the host can make.
type dialedPeer interface {
	hub.Peer
	bond() *link
	serves() bool
}

func (l *link) bond() *link { return l }

func (p *Peers) dialed(d *Dialed, under *Terms) dialedPeer {
	switch d.Protocol {
	case protocol.ProtoWebSocket:
		c := &WebSocket{link: link{peers: p}, frames: frames{role: asClient, loan: loan{spool: p.spool}}}
		c.encoding.role = asClient
		return c
	case protocol.ProtoSSE:
		d.Events.peers, d.Events.parser.loan.spool = p, p.spool
		return d.Events
	}
	return &tcpConn{link: link{peers: p}, framer: framer{framing: under.framing, loan: loan{spool: p.spool}}}
}

// opens has the workers decide.
func (l *link) opens(ctx context.Context, under *Terms) error {
	if !under.hub.Backend.Traits().Events.Any() {
		return errNotHandled
	}
	answers := make(chan hub.Admission, 1)
	l.Open(nil, func(a hub.Admission) { answers <- a })
	select {
	case a := <-answers:
		switch {
		case a.Failure != nil:
			return fmt.Errorf("its OPEN could not be handled: %w", a.Failure)
		case !a.Accepted:
			return errRefused
		}
	case <-ctx.Done():
		return errUndecided
	}
	return nil
}

func (c *WebSocket) serves() bool { return c.serve(c, c.tick) }
func (c *tcpConn) serves() bool   { return c.serve(c, c.tick) }

// outgoing is the socket of a connection that the host has made.
type outgoing struct {
	net.Conn
	timeout func() time.Duration // for writes; 0 is for ever
}

// release gives the socket of d to a loop, where that is possible.
func release(d *Dialed, loops *loop.Set, timeout func() time.Duration) (Socket, Sock) {
	if d.Conn != d.Direct {
		return &outgoing{d.Direct, timeout}, NewSock(d.Conn, nil)
	}
	if on, ok := Poll(loops, d.Direct); ok {
		return &outgoing{on, timeout}, on
	}
	below := &outgoing{d.Direct, timeout}
	return below, NewSock(below, d.Direct)
}

// Guarded is a socket that the host has made, to put TLS over: its writes have a time-out, which is asked for each
// time.
func Guarded(c net.Conn, timeout func() time.Duration) net.Conn { return &outgoing{c, timeout} }

// Write implements net.Conn. It fails when the other end has taken nothing for the write time-out.
func (o *outgoing) Write(p []byte) (written int, err error) {
	timeout := o.timeout()
	if timeout <= 0 {
		return o.Conn.Write(p)
	}
	defer o.Conn.SetWriteDeadline(time.Time{})
	wait := NewStall(timeout)
	deadline := wait.since.Add(StallStep(timeout))
	for {
		o.Conn.SetWriteDeadline(deadline)
		n, err := o.Conn.Write(p[written:])
		written += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		more := false
		if deadline, more = wait.More(n > 0); !more {
			return written, err
		}
	}
}

// CloseWrite implements Socket.
func (o *outgoing) CloseWrite() error {
	if half, ok := o.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// LetGo implements Socket.
func (o *outgoing) LetGo() (Socket, Sock) { return o, NewSock(o, o.Conn) }

// Cut implements Socket.
func (o *outgoing) Cut() {
	if tcp, ok := o.Conn.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	o.Close()
}

// Who implements Socket: it is counted for nobody.
func (o *outgoing) Who() netip.Addr { return netip.Addr{} }

// Forget implements Socket.
func (o *outgoing) Forget() {}
