// A client's connection as it was accepted, below TLS and all else: it knows time-outs and who is connected.

package listen

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/loop"
	"github.com/workerhost/workerhost/host/internal/peer"
)

// clients are the connections that are open.
type clients struct {
	loops *loop.Set // for those that stay long; nil: there are none
	mu    sync.Mutex
	open  map[*client]struct{} // guarded by mu
}

func newClients(loops *loop.Set) *clients {
	return &clients{loops: loops, open: make(map[*client]struct{})}
}

func (s *clients) add(c net.Conn, k *guard.Crowd, who netip.Addr, timeout func() time.Duration) *client {
	n := &client{Conn: c, set: s, crowd: k, who: who, timeout: timeout}
	n.waits.Store(apart)
	s.mu.Lock()
	s.open[n] = struct{}{}
	s.mu.Unlock()
	return n
}

func (s *clients) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Connections is how many clients are connected now.
func (s *Server) Connections() int { return s.clients.count() + s.quicCount() }

func (s *clients) list() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*client, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	return all
}

func (s *clients) closeAll() {
	for _, c := range s.list() {
		c.Close()
	}
}

// client is an accepted connection. A write fails when the peer has taken nothing for the write time-out, however long
// the transfer is. The deadline is renewed now and then only, so that small responses don't pay for it.
type client struct {
	net.Conn
	set     *clients
	crowd   *guard.Crowd // has counted it, for who
	who     netip.Addr
	timeout func() time.Duration // for writes, as the terms have it now; 0 is for ever
	strikes atomic.Int64         // when our deadline does, in Unix nanoseconds; 0 is that there is none, or another's
	waits   atomic.Int64         // see parting.go
	heard   atomic.Bool          // a byte has come since it waits
}

// Read implements net.Conn.
func (c *client) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.hears()
	}
	return n, err
}

func (c *client) hears() {
	if !c.heard.Load() {
		c.heard.Store(true)
	}
}

// Write implements net.Conn.
func (c *client) Write(p []byte) (written int, err error) {
	wait := c.renew()
	for {
		n, err := c.Conn.Write(p[written:])
		written += n
		if err == nil || !c.goOn(&wait, n > 0, err) {
			return written, err
		}
	}
}

// ReadFrom lets the kernel send files, in pieces, so that the deadline can follow.
func (c *client) ReadFrom(r io.Reader) (total int64, err error) {
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(onlyWriter{c}, r)
	}
	whole, limited := r.(*io.LimitedReader)
	if !limited {
		whole = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	for whole.N > 0 {
		wait := c.renew()
		piece := io.LimitedReader{R: whole.R, N: min(whole.N, 1<<20)}
		before := piece.N
		for {
			n, err := to.ReadFrom(&piece)
			total += n
			if err == nil {
				break
			}
			if !c.goOn(&wait, n > 0, err) {
				return total, err
			}
		}
		if whole.N -= before - piece.N; piece.N > 0 { // the source has ended
			return total, nil
		}
	}
	return total, nil
}

type onlyWriter struct{ io.Writer }

// renew sees to it that a write has a deadline, and begins to watch it.
func (c *client) renew() peer.Stall {
	timeout := c.timeout()
	if timeout <= 0 {
		return peer.Stall{}
	}
	now, step := time.Now(), peer.StallStep(timeout)
	if left := time.Duration(c.strikes.Load() - now.UnixNano()); left < step/2 || left > step {
		c.setDeadline(now.Add(step))
	}
	return peer.NewStall(timeout)
}

func (c *client) setDeadline(t time.Time) {
	c.strikes.Store(t.UnixNano())
	c.Conn.SetWriteDeadline(t)
}

// goOn is asked when a write ended with err: if that was only a deadline, and the peer took something within the
// time-out, there is more time.
func (c *client) goOn(wait *peer.Stall, took bool, err error) bool {
	if !wait.Watched() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	deadline, ok := wait.More(took)
	if ok {
		c.setDeadline(deadline)
	}
	return ok
}

// SetWriteDeadline implements net.Conn. That a deadline is taken back, as net/http does after each request, is
// ignored: Write renews its own.
func (c *client) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && c.timeout() > 0 {
		return nil
	}
	c.strikes.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite tells the peer that nothing more will come.
func (c *client) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// LetGo implements peer.Socket.
func (c *client) LetGo() (peer.Socket, peer.Sock) {
	on, ok := peer.Poll(c.set.loops, c.Conn)
	if !ok {
		return c, peer.NewSock(c, c.Conn)
	}
	n := c.set.move(c, on, apart)
	if n == nil { // it has been closed meanwhile
		on.Close()
		return c, on
	}
	return n, on
}

// Cut closes it in disorder: what has not been sent is lost, and the client is told.
func (c *client) Cut() {
	if tcp, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// Close implements net.Conn.
func (c *client) Close() error {
	c.forget()
	return c.Conn.Close()
}

// Who implements peer.Socket.
func (c *client) Who() netip.Addr { return c.who }

// Forget implements peer.Socket.
func (c *client) Forget() { c.forget() }

// forget counts it out.
func (c *client) forget() {
	if c.set.remove(c) {
		c.crowd.Leave(c.who)
	}
}

// remove says whether it was there.
func (s *clients) remove(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, open := s.open[c]
	delete(s.open, c)
	return open
}

// move has another connection take the place of c's, and counts it on. waits is as in parting.go. nil says that c has
// been closed.
func (s *clients) move(c *client, conn net.Conn, waits int64) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[c]; !open {
		return nil
	}
	delete(s.open, c)
	n := &client{Conn: conn, set: s, crowd: c.crowd, who: c.who, timeout: c.timeout}
	n.waits.Store(waits)
	s.open[n] = struct{}{}
	return n
}
