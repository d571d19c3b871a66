// What package web asks of a connection with a request at hand, and what net's users do of one.

package lane

import (
	"errors"
	"net"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/web"
)

// Remote implements web.Seat.
func (c *Conn) Remote() string { return c.address }

// Local implements web.Seat.
func (c *Conn) Local() any { return c.local }

// Answer implements web.Seat.
func (c *Conn) Answer(b []byte, ends bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		return
	}
	c.pending, c.room, c.last = nil, nil, c.last || ends
	n, err := 0, error(nil)
	if len(b) > 0 {
		n, err = c.write(b)
	}
	switch {
	case err != nil:
		c.close()
	case n < len(b):
		c.took(n)
		c.phase, c.out = writing, append([]byte(nil), b[n:]...)
		c.watch()
	default:
		c.answered()
	}
}

// Yield implements web.Seat.
func (c *Conn) Yield(p *web.Pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil {
		go p.Drop() // not here: its exchange may be telling
		return
	}
	c.yield(nil, p)
}

// Abort implements web.Seat.
func (c *Conn) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending != nil {
		c.pending = nil
		c.close()
	}
}

// EndAfter implements web.Conn.
func (c *Conn) EndAfter(lingers bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.lingers = true, lingers
}

// Cut implements web.Conn.
func (c *Conn) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = nil
	c.cut()
}

// Claim implements web.Conn. It is of use to HTTP/2 alone.
func (c *Conn) Claim() bool { return false }

// Unclaim implements web.Conn.
func (c *Conn) Unclaim() {}

// Reason implements web.Conn: what is plain has nothing wrong.
func (c *Conn) Reason(given string) string { return given }

// Answers implements web.Conn.
func (c *Conn) Answers(int) {}

// LetGo implements web.Conn. Nothing that would call it stays here.
func (c *Conn) LetGo() (peer.Socket, peer.Sock) { return nil, nil }

// Bare implements web.Conn, likewise.
func (c *Conn) Bare() net.Conn { return nil }

// Close ends the connection, and cancels what is at hand.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave()
	return nil
}

var errNotHere = errors.New("a connection on the lane is not read or written by others")

// Read fails.
func (c *Conn) Read([]byte) (int, error) { return 0, errNotHere }

// Write fails.
func (c *Conn) Write([]byte) (int, error) { return 0, errNotHere }

// LocalAddr is what the client has come to.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the client's.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline does nothing: the terms say how long anything may take.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
