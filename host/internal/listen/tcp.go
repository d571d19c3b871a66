// A TCP connection while it is open: the client's end of a hub's connection. tcp_accept.go is how one begins, framing.go what is said on it.

package listen

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// tcpConn implements hub.Peer. One goroutine reads it; it ends when the socket does, and Server.Close waits for it. It is all that an idle client costs beside
// the socket and what the hub keeps.
type tcpConn struct {
	server *Server
	link   *hub.Connection // set once, before the OPEN; see join
	below  *client
	sock   *sock
	who    netip.Addr // that it counts for

	// the reader's own
	framer framer
	paid   time.Duration // when the messages so far are paid off (see RateLimit)
	deaf   bool          // what comes is dropped: the client broke a limit, or the hub hung up
	late   int           // bytes that came since then

	spoke   atomic.Int64 // when a message came or went last, since epoch
	waiting atomic.Bool  // the reader waits for the hub

	mu    sync.Mutex
	ended bool          // guarded by mu, as all below: the hub took leave
	cut   bool          // Abort was called
	over  chan struct{} // closed when one of them is true; nil unless the reader waits for that
	timer *time.Timer   // nil when it is over
}

var errHungUp = errors.New("the hub hung up")

// run reads until the end.
func (c *tcpConn) run() {
	c.beginTimer()
	c.goOn()
}

func (c *tcpConn) goOn() {
	err := c.read()
	if err == errWorn {
		c.server.sockets.Go(c.goOn)
		return
	}
	code, reason, clean := c.part(err)
	c.framer.drop()
	c.endTimer()
	c.sock.conn.Close()
	c.below.Close()
	c.server.tally.leave(c.who)
	c.link.Closed(code, reason, clean)
}

// read returns io.EOF when the client has said its last word, and errOverdue if it does not come to that though
// nobody listens any more.
func (c *tcpConn) read() error {
	for {
		into, err := c.framer.room()
		if err != nil {
			c.turnDeaf(err)
			continue
		}
		p, err := c.sock.read(into)
		if err != nil {
			return err
		}
		c.framer.most = c.server.terms.Load().Sockets.maxMessage()
		switch {
		case c.deaf:
			if c.late += len(p); c.late > lateBytes {
				err = errOverdue
			}
		case into != nil:
			err = c.framer.took(len(p), c)
		default:
			err = c.framer.feed(p, c)
		}
		c.sock.release()
		switch {
		case err == errOverdue:
			return err
		case err != nil:
			c.turnDeaf(err)
		}
	}
}

// turnDeaf drops what comes from now on. The hub takes leave of a client that broke a limit when the messages before that have been handled.
func (c *tcpConn) turnDeaf(err error) {
	c.deaf = true
	c.framer.drop()
	var wrong *breach
	if errors.As(err, &wrong) {
		c.server.tellBreach("TCP connection", c.link, wrong)
		c.link.Finish(wrong.code, wrong.reason)
	}
}

// part takes leave as the end of the reading asks for, and says how the connection ended. A client that has sent its FIN gets the answers to what it
// said before.
func (c *tcpConn) part(err error) (code int, reason string, clean bool) {
	if !errors.Is(err, io.EOF) && err != errOverdue {
		return protocol.CloseBroken, "", false
	}
	code = protocol.CloseNormal
	if c.framer.unfinished() {
		code, reason = protocol.CloseBroken, "it ended in the middle of a message"
		c.framer.drop()
	}
	if !c.deaf {
		c.link.Finish(code, reason)
	}
	c.mu.Lock()
	if !c.ended && !c.cut {
		c.over = make(chan struct{})
		over := c.over
		c.mu.Unlock()
		<-over
		c.mu.Lock()
	}
	cut := c.cut
	c.mu.Unlock()
	switch {
	case cut:
		return protocol.CloseBroken, "", false
	case err == errOverdue:
		readLate(c.sock.conn)
		return protocol.CloseBroken, "", false
	}
	return code, reason, code == protocol.CloseNormal
}

// take implements frameTaker.
func (c *tcpConn) take(data []byte) error {
	now := sinceEpoch()
	c.spoke.Store(int64(now))
	if limits := &c.server.terms.Load().Sockets; limits.MessageRate > 0 {
		step := time.Second / time.Duration(limits.MessageRate)
		burst := limits.MessageBurst
		if burst <= 0 {
			burst = limits.MessageRate
		}
		if c.paid-now > time.Duration(burst-1)*step {
			return &breach{protocol.ClosePolicy, "too many messages"}
		}
		c.paid = max(c.paid, now) + step
	}
	c.waiting.Store(true)
	ok := c.link.DeliverLent(data, true, c.framer.loan.handOver(len(data)))
	c.spoke.Store(int64(sinceEpoch()))
	c.waiting.Store(false)
	if !ok {
		return errHungUp
	}
	return nil
}

// Encoding implements hub.Peer.
func (c *tcpConn) Encoding() hub.Encoding { return c.framer.framing.encoding() }

// TryWrite implements hub.Peer.
func (c *tcpConn) TryWrite(b [][]byte) (n int, err error) {
	if err := c.checkFrames(b); err != nil {
		return 0, err
	}
	n, err = c.sock.tryWrite(b)
	if n > 0 {
		c.spoke.Store(int64(sinceEpoch()))
	}
	return n, err
}

// Write implements hub.Peer.
func (c *tcpConn) Write(b [][]byte) error {
	if err := c.checkFrames(b); err != nil {
		return err
	}
	err := c.sock.write(b, c.server.socketWriteTimeout())
	c.spoke.Store(int64(sinceEpoch()))
	return err
}

var errLongMessage = errors.New("a message is longer than framing = \"length16\" can say: send less at a time, or use length32")

// checkFrames finds a message that its framing had no frame for. To leave it out would leave the client without an answer for ever.
func (c *tcpConn) checkFrames(b [][]byte) error {
	if c.framer.framing.width() == 0 {
		return nil
	}
	for _, p := range b {
		if len(p) == 0 {
			c.server.log.Error("a TCP connection is cut", "connection", c.link.ID(), "error", errLongMessage)
			return errLongMessage
		}
	}
	return nil
}

// lingerTime is how long a client may take to answer our FIN with its own. To close before it would take back what it has not read yet, if it still sends.
const lingerTime = 2 * time.Second

// End implements hub.Peer: a FIN, and the client's own ends the reading.
func (c *tcpConn) End(int, string) {
	c.mu.Lock()
	c.ended = true
	c.settle()
	c.mu.Unlock()
	c.sock.conn.SetReadDeadline(time.Now().Add(lingerTime))
	if _, secure := c.sock.conn.(*tls.Conn); secure { // it may wait for the client, for 5 s at most
		if !c.server.begin(c.closeWrite) {
			c.Abort()
		}
		return
	}
	c.closeWrite()
}

func (c *tcpConn) closeWrite() {
	if half, ok := c.sock.conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		c.Abort()
	}
}

// settle lets a reader go on that waits for the end. c.mu is held.
func (c *tcpConn) settle() {
	if c.over != nil {
		close(c.over)
		c.over = nil
	}
}

// Abort implements hub.Peer.
func (c *tcpConn) Abort() {
	c.mu.Lock()
	if !c.ended {
		c.cut = true
	}
	c.settle()
	link := c.link
	c.mu.Unlock()
	if tcp, ok := c.below.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.below.Close()
	if link != nil { // the reader may be waiting for the hub
		link.Closed(protocol.CloseBroken, "", false)
	}
}

// join makes link the connection that c is the client's end of.
func (c *tcpConn) join(link *hub.Connection) {
	c.mu.Lock()
	c.link = link
	cut := c.cut
	c.mu.Unlock()
	if cut {
		link.Closed(protocol.CloseBroken, "", false)
	}
}

// The timer looks for idle connections; like a WebSocket's, it is one that traffic does not touch.

func (c *tcpConn) beginTimer() {
	now := sinceEpoch()
	c.spoke.Store(int64(now))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(c.nextTick(now), c.tick)
}

func (c *tcpConn) endTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.timer = nil
}

func (c *tcpConn) nextTick(now time.Duration) time.Duration {
	if limit := c.server.terms.Load().Sockets.IdleTimeout; limit > 0 {
		return max(min(laterLook, time.Duration(c.spoke.Load())+limit-now), time.Millisecond)
	}
	return laterLook
}

// tick runs when the timer is due, never twice at once.
func (c *tcpConn) tick() {
	now := sinceEpoch()
	if c.waiting.Load() { // it is we who don't read
		c.spoke.Store(int64(now))
	}
	if limit := c.server.terms.Load().Sockets.IdleTimeout; limit > 0 && now-time.Duration(c.spoke.Load()) >= limit {
		c.link.Hangup(protocol.CloseGoing, "idle for too long")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Reset(c.nextTick(now))
	}
}
