// A TCP connection while it is open: the client's end of a hub's connection. tcp_accept.go is how one begins,
// framing.go what is said on it.

package peer

import (
	"errors"
	"io"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// tcpConn implements hub.Peer.
type tcpConn struct {
	link

	// the reader's own
	framer    framer
	allowance allowance
	late      int32 // bytes that came since it is deaf
	deaf      bool  // what comes is dropped: the client broke a limit, or the hub hung up

	ended bool          // the hub took leave, and its FIN is sent; guarded by mu
	over  chan struct{} // closed when it is, or was cut; nil unless the reader waits for that; guarded by mu
}

var errHungUp = errors.New("the hub hung up")

// done implements reader. err is io.EOF when the client has said its last word, and errOverdue if it does not come to
// that though nobody listens any more.
func (c *tcpConn) done(err error) {
	code, reason, clean := c.part(err)
	c.framer.drop()
	c.close()
	c.peers.Count.Leave(c.who)
	c.link.Closed(code, reason, clean)
}

// room implements reader.
func (c *tcpConn) room() ([]byte, error) {
	into, err := c.framer.room()
	if err != nil {
		c.turnDeaf(err)
	}
	return into, nil
}

// glance implements reader.
func (c *tcpConn) glance(p []byte) (taken bool, err error) {
	if c.framer.weighty(len(p)) {
		return false, nil
	}
	c.framer.most = c.peers.limits().maxMessage()
	return c.link.glance(p, c.framer.messagesIn(len(p)), len(c.framer.partial)+len(p), c.took)
}

// took implements reader.
func (c *tcpConn) took(p []byte, lent bool) (err error) {
	c.framer.most = c.peers.limits().maxMessage()
	switch {
	case c.deaf:
		if c.late += int32(len(p)); c.late > lateBytes {
			return errOverdue
		}
	case lent:
		err = c.framer.feed(p, c)
	default:
		err = c.framer.took(len(p), c)
	}
	if err != nil {
		c.turnDeaf(err)
	}
	return nil
}

// turnDeaf drops what comes from now on. The hub takes leave of a client that broke a limit when the messages before
// that have been handled.
func (c *tcpConn) turnDeaf(err error) {
	c.deaf = true
	c.framer.drop()
	var wrong *breach
	if errors.As(err, &wrong) {
		c.tellBreach("TCP connection", wrong)
		c.link.Finish(wrong.code, wrong.reason)
	}
}

// part takes leave as the end of the reading asks for, and says how the connection ended. A client that has sent its
// FIN gets the answers to what it said before.
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
		c.readLate()
		return protocol.CloseBroken, "", false
	}
	return code, reason, code == protocol.CloseNormal
}

func (c *tcpConn) tick() { c.watch(nil) }

// take implements frameTaker.
func (c *tcpConn) take(data []byte) error {
	now := sinceEpoch()
	c.idle.spoke.Store(int64(now))
	if err := c.allowance.pay(now, c.peers.limits()); err != nil {
		return err
	}
	if !c.deliver(data, true, &c.framer.loan) {
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
		c.idle.spoke.Store(int64(sinceEpoch()))
	}
	return n, err
}

// Write implements hub.Peer.
func (c *tcpConn) Write(b [][]byte) error {
	if err := c.checkFrames(b); err != nil {
		return err
	}
	err := c.write(b)
	c.idle.spoke.Store(int64(sinceEpoch()))
	return err
}

var errLongMessage = errors.New(
	"a message is longer than framing = \"length16\" can say: send less at a time, or use length32")

// checkFrames finds a message that its framing had no frame for. To leave it out would leave the client without an
// answer for ever.
func (c *tcpConn) checkFrames(b [][]byte) error {
	if c.framer.framing.width() == 0 {
		return nil
	}
	for _, p := range b {
		if len(p) == 0 {
			c.peers.log.Error("a TCP connection is cut", "connection", c.link.ID(), "error", errLongMessage)
			return errLongMessage
		}
	}
	return nil
}

// lingerTime is how long a client may take to answer our FIN with its own. To close before it would take back what it
// has not read yet, if it still sends.
const lingerTime = 2 * time.Second

// End implements hub.Peer: a FIN, and the client's own ends the reading.
func (c *tcpConn) End(int, string) {
	c.sock.expire(lingerTime)
	if c.sock.parley() {
		if !c.peers.Go(c.closeWrite) {
			c.Abort()
		}
		return
	}
	c.closeWrite()
}

// closeWrite sends the FIN before it lets a reader go on: that one closes the socket.
func (c *tcpConn) closeWrite() {
	if !c.sock.closeWrite() {
		c.Abort()
		return
	}
	c.mu.Lock()
	c.ended = true
	c.settle()
	c.mu.Unlock()
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
	if c.defers() {
		return
	}
	c.mu.Lock()
	if !c.ended {
		c.cut = true
	}
	c.settle()
	conn := c.Connection
	c.mu.Unlock()
	if c.below != nil { // else it has yet to come
		c.below.Cut()
	}
	if conn != nil { // the reader may be waiting for the hub
		conn.Closed(protocol.CloseBroken, "", false)
	}
}
