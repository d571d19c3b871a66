// A link: what every long-lived connection has, whatever it speaks. websocket.go, tcp.go and held.go are the kinds.

package peer

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// link joins a client's socket to its connection in the hub. Each kind of peer has one, and somebody who reads the
// socket: an event loop, or a goroutine that ends when the socket does. Peers.Wait waits for that end. That is all
// that an idle client costs beside the socket and what the hub keeps.
type link struct {
	*hub.Connection // set once, before the OPEN; see join
	peers           *Peers
	below           Socket     // set once, before anything is read or written; see take
	sock            Sock       // likewise
	who             netip.Addr // that it counts for
	idle            idleTimer
	hasty           bool   // the reader's: it must not wait
	ahead           []byte // what came before it was served; see Dialed

	mu sync.Mutex
	// guarded by mu
	cut    bool // Abort was called
	moving moving
}

// Socket is an accepted connection, below TLS and all else.
type Socket interface {
	net.Conn
	CloseWrite() error
	// LetGo is the socket without the time-outs of its own, on an event loop where that is possible. What it returns
	// takes the place of the Socket, which must not be used any more.
	LetGo() (Socket, Sock)
	Cut() // closes it in disorder: what has not been sent is lost, and the client is told
	// Who is the address that it is counted for; the zero one is that it is not.
	Who() netip.Addr
	Forget() // counts it out, but does not close it
}

// join makes c the connection that l is the client's end of.
func (l *link) join(c *hub.Connection) {
	l.mu.Lock()
	l.Connection = c
	cut := l.cut
	l.mu.Unlock()
	if cut {
		c.Closed(protocol.CloseBroken, "", false)
	}
}

// take gives l its socket. It says false if the connection was aborted meanwhile.
func (l *link) take(below Socket, s Sock) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.below, l.sock = below, s
	return !l.cut
}

// sever cuts the socket, and says whether there is one. Without it take says so later. c is nil before join.
func (l *link) sever() (c *hub.Connection, severed bool) {
	l.mu.Lock()
	l.cut = true
	c, below := l.Connection, l.below
	l.mu.Unlock()
	if below == nil {
		return c, false
	}
	below.Cut()
	return c, true
}

// serve has r told what the client says from now on, and tick called by the link's timer. It says false if the
// listener has ended.
func (l *link) serve(r reader, tick func()) bool {
	return l.peers.enlist() && l.serveNow(r, tick)
}

// serveNow is serve once the listener waits for it, unless another host is about to take the connection, or has.
func (l *link) serveNow(r reader, tick func()) bool {
	l.mu.Lock()
	left, leaving := l.Connection.Left()
	if l.moving.paused || leaving {
		l.moving.paused = true
		l.moving.pending = func() {
			if !l.serveNow(r, tick) {
				l.discard()
				l.peers.Count.Leave(l.who)
			}
		}
		l.mu.Unlock()
		return true
	}
	l.moving.served = !left
	l.mu.Unlock()
	if left {
		return l.followed()
	}
	l.idle.start(tick)
	if len(l.ahead) > 0 {
		go l.catchUp(r) // ends when what came ahead has been taken
		return true
	}
	l.sock.serve(l.peers, r)
	return true
}

// catchUp has r take what came ahead, and then what comes.
func (l *link) catchUp(r reader) {
	ahead := l.ahead
	l.ahead = nil
	if err := r.took(ahead, true); err != nil {
		r.done(err)
		l.peers.running.Done()
		return
	}
	l.sock.serve(l.peers, r)
}

// close is what the reader does last; Closed comes after it.
func (l *link) close() {
	l.idle.end()
	l.discard()
}

// discard closes the socket. It is all that a connection needs which is not served.
func (l *link) discard() {
	l.sock.close()
	l.below.Close()
}

// glance has took called for p, which has to be called without waiting. messages and bytes are as many as p may bring
// to their end. It says false if there is no room for them.
func (l *link) glance(p []byte, messages, bytes int, took func([]byte, bool) error) (taken bool, err error) {
	if !l.HasRoom(messages, bytes) {
		return false, nil
	}
	l.hasty = true
	err = took(p, true)
	l.hasty = false
	return true, err
}

// deliver gives the hub a message, and waits for it. It says false if the hub takes no more.
func (l *link) deliver(data []byte, binary bool, of *loan) bool {
	if l.hasty {
		return l.DeliverNow(data, binary, of.handOver(len(data)))
	}
	return l.patiently(func() bool { return l.DeliverLent(data, binary, of.handOver(len(data))) })
}

// patiently does what may wait for the hub: the other end is not silent meanwhile.
func (l *link) patiently(deliver func() bool) bool {
	l.idle.back.Store(waiting)
	ok := deliver()
	l.idle.back.Store(int64(sinceEpoch()))
	return ok
}

// write writes all of b, within the write time-out.
func (l *link) write(b [][]byte) error { return l.sock.write(b, l.peers.limits().WriteTimeout) }

// writeLast writes what is the last, and calls then. The hub, which calls this, does not wait for a client that is
// slow. If it can't be written, failed is called.
func (l *link) writeLast(last []byte, then, failed func()) {
	n, err := l.sock.tryWrite([][]byte{last})
	switch {
	case err != nil:
		failed()
	case n == len(last):
		then()
	default:
		started := l.peers.Go(func() { // ends with the write time-out, or Abort
			if l.write([][]byte{last[n:]}) != nil {
				failed()
				return
			}
			then()
		})
		if !started {
			failed()
		}
	}
}

const (
	// lateBytes is how much is read when nobody listens any more, beside a message that is under way; and after a
	// breach, for lateTime at most: a close with unread bytes would take the last word back.
	lateBytes = 256 << 10
	lateTime  = time.Second
)

// readLate reads a little of what still comes, so that the client can read our last word before the connection is
// closed.
func (l *link) readLate() { l.sock.drain(lateBytes, lateTime) }
