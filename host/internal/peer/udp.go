// UDP: each datagram is a message by itself, and what its handler sends back goes to its sender. Senders can be
// forged, so there is no connection, and nobody waits: what the pool has no place for is dropped and counted.

package peer

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Packets is the socket of a listener of UDP.
type Packets struct {
	peers *Peers
	conn  *net.UDPConn

	dropped atomic.Int64 // datagrams, since the listener began

	mu    sync.Mutex
	open  int           // guarded by mu: datagrams that are being handled, and Serve
	ended bool          // guarded by mu
	idle  chan struct{} // closed when it has ended and none is open
}

const (
	largestDatagram = 64 << 10
	receiveBuffer   = 4 << 20 // what may wait in the kernel, which allows as much as it likes
)

// NewPackets has the datagrams of a socket, which Close closes, handled on the terms of p.
func NewPackets(p *Peers, conn *net.UDPConn) *Packets {
	conn.SetReadBuffer(receiveBuffer)
	return &Packets{peers: p, conn: conn, idle: make(chan struct{})}
}

// Address is what the socket is bound to.
func (p *Packets) Address() string { return p.conn.LocalAddr().String() }

// File duplicates the socket.
func (p *Packets) File() (*os.File, error) { return p.conn.File() }

// Serve reads until end. What has been read is handled.
func (p *Packets) Serve() error {
	if !p.reads() {
		return nil
	}
	defer p.done()
	buffer := make([]byte, largestDatagram)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if p.over() {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			if p.peers.turnedAway.Pass() {
				p.peers.log.Error("a datagram could not be read", "error", err)
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		p.take(bytes.Clone(buffer[:n]), from)
		if p.over() {
			return nil
		}
	}
}

func (p *Packets) take(data []byte, from netip.AddrPort) {
	all, under := p.peers, p.peers.terms()
	card := all.card(protocol.ProtoUDP, from.String())
	if most := under.limits.maxMessage(); int64(len(data)) > most {
		under.in.Dropped(card, len(data))
		p.drop("a datagram is larger than max_message", "bytes", len(data), "remote", from)
		return
	}
	if wrong := under.Problem(protocol.ProtoUDP); wrong != "" {
		under.in.Dropped(card, len(data))
		p.drop("datagrams are dropped: "+wrong, "pool", under.hub.Backend.Traits().Pool)
		return
	}
	p.mu.Lock()
	p.open++ // it is not over while Serve reads
	p.mu.Unlock()
	reply := func(b []byte) {
		if _, err := p.conn.WriteToUDPAddrPort(b, from); err != nil && all.turnedAway.Pass() {
			all.log.Error("an answer could not be sent", "bytes", len(b), "remote", from, "error", err)
		}
	}
	under.in.Datagram(under.hub, card, data, reply, func(failure *protocol.Failure) {
		if failure != nil {
			p.drop("datagrams are dropped, since workers could not handle them", "remote", from, "error",
				failure.Error())
		}
		p.done()
	})
}

func (p *Packets) drop(text string, args ...any) {
	if total := p.dropped.Add(1); p.peers.turnedAway.Pass() {
		p.peers.log.Error(text, append(args, "dropped", total)...)
	}
}

// reads counts a reader in, unless it has ended.
func (p *Packets) reads() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.open++
	}
	return !p.ended
}

func (p *Packets) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open--; p.open == 0 && p.ended {
		close(p.idle)
	}
}

func (p *Packets) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// End stops the reading; answers can still be sent. A second call does no harm.
func (p *Packets) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	if p.open == 0 {
		close(p.idle)
	}
	p.conn.SetReadDeadline(time.Unix(1, 0))
}

// Drain waits until what was read has been handled.
func (p *Packets) Drain(ctx context.Context) error {
	select {
	case <-p.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close sends no more answers.
func (p *Packets) Close() { p.conn.Close() }
