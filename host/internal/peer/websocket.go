// A WebSocket while it is open: the client's end of a hub's connection. Its front has how one begins,
// websocket_frames.go what is said on it.

package peer

import (
	"errors"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// WebSocket implements hub.Peer.
type WebSocket struct {
	link

	// the reader's own
	frames    frames
	allowance allowance
	code      int // of the client's close frame
	reason    string
	late      int64 // bytes that came since the hub takes no more; see overdue

	encoding wsEncoding
	silent   atomic.Bool             // a ping was not answered
	ended    atomic.Bool             // the hub took leave
	parted   atomic.Bool             // its close frame has gone, or never will
	bidding  atomic.Pointer[goodbye] // what the reader waits for

	heard atomic.Int64  // when bytes came last, since epoch
	asked time.Duration // keepAlive's own: when the ping that waits for an answer was sent; 0 is none
}

// NewWebSocket makes the client's end of a WebSocket, which the hub knows from now on. who is counted for it; deflate
// says that permessage-deflate was agreed on.
func (p *Peers) NewWebSocket(who netip.Addr, remote string, deflate bool, under *Terms) *WebSocket {
	c := &WebSocket{link: link{peers: p, who: who}, frames: frames{loan: loan{spool: p.spool}, deflate: deflate}}
	c.encoding.deflate = deflate
	c.join(under.in.Add(c, p.card(protocol.ProtoWebSocket, remote), under.hub))
	return c
}

// Upgrade takes the client's socket, and writes head there, the response to its handshake. It says false if that could
// not be, and then the socket is closed.
func (c *WebSocket) Upgrade(head []byte, below Socket, s Sock) bool {
	if !c.take(below, s) {
		c.discard()
		return false
	}
	if c.write([][]byte{head}) != nil {
		c.link.Closed(protocol.CloseBroken, "", false)
		c.discard()
		return false
	}
	return true
}

// Serve begins to read what the client says. It says false if the listener has ended.
func (c *WebSocket) Serve() bool {
	c.link.Opened()
	if !c.serve(c, c.tick) {
		c.Abort()
		return false
	}
	return true
}

// goodbye is the reader's wait for a close frame: one that it has queued itself, or the hub's.
type goodbye struct {
	frame []byte // that it has queued; nil is none
	once  sync.Once
	gone  chan struct{} // closed when one was written, or can't be
}

func (g *goodbye) settle() { g.once.Do(func() { close(g.gone) }) }

// within says whether it came about in time; 0 is for ever.
func (g *goodbye) within(limit time.Duration) bool {
	if limit == 0 {
		<-g.gone
		return true
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-g.gone:
		return true
	case <-late.C:
		return false
	}
}

// await has the reader told when leave has been taken.
func (c *WebSocket) await(frame []byte) *goodbye {
	g := &goodbye{frame: frame, gone: make(chan struct{})}
	c.bidding.Store(g)
	if c.parted.Load() {
		g.settle()
	}
	return g
}

var (
	errLeft    = errors.New("the client took leave")
	errOverdue = errors.New("the client goes on and on, though nobody listens any more")
)

// done implements reader.
func (c *WebSocket) done(err error) {
	c.frames.drop()
	code, reason, clean := c.part(err)
	c.close()
	c.peers.Count.Leave(c.who)
	c.link.Closed(code, reason, clean)
}

// room implements reader.
func (c *WebSocket) room() ([]byte, error) { return c.frames.room() }

// glance implements reader.
func (c *WebSocket) glance(p []byte) (taken bool, err error) {
	if c.frames.weighty(len(p)) {
		return false, nil
	}
	return c.link.glance(p, len(p)/c.frames.least()+1, len(c.frames.data)+len(p), c.took)
}

// took implements reader.
func (c *WebSocket) took(p []byte, lent bool) error {
	c.heard.Store(int64(sinceEpoch()))
	switch {
	case c.overdue(len(p)):
		return errOverdue
	case lent:
		return c.frames.feed(p, c)
	}
	return c.frames.took(len(p), c)
}

const (
	// bidTime is how long a close frame may wait for what was sent before it, and before that for the answers to what
	// the client said.
	bidTime = 5 * time.Second
	// answerTime is how long a client may take to answer our close frame: one that has gone to sleep must not hold up
	// a host that stops.
	answerTime = 2 * time.Second
)

// overdue counts what comes while the hub takes no more, and says whether it is too much: the client's own close
// frame would have come by now.
func (c *WebSocket) overdue(n int) bool {
	if c.late == 0 && !c.link.Leaving() {
		return false
	}
	c.late += int64(n)
	return c.late > c.mostMessage()+lateBytes
}

// part takes leave as the end of the reading asks for, and says how the connection ended.
func (c *WebSocket) part(err error) (code int, reason string, clean bool) {
	var wrong *breach
	switch {
	case err == errLeft:
		if c.ended.Load() { // it has answered the hub's
			return c.code, c.reason, true
		}
		return c.code, c.reason, c.finish(c.code, c.reason)
	case err == errOverdue:
		if c.await(nil).within(0) { // the hub bounds it
			c.linger()
		}
	case errors.As(err, &wrong):
		c.tellBreach("WebSocket", wrong)
		if c.finish(wrong.code, wrong.reason) {
			c.linger()
		}
		return wrong.code, wrong.reason, false
	}
	return protocol.CloseBroken, c.excuse(), false
}

// finish takes leave of a client of which nothing more is taken: what came before is answered first, for bidTime at
// most (RFC 6455 §5.5.1). It says false if no close frame could be sent.
func (c *WebSocket) finish(code int, reason string) bool {
	c.idle.back.Store(waiting)
	g := c.await(nil)
	c.link.Finish(code, reason)
	return g.within(bidTime) || c.bid(c.frames.role.closeFrame(code, reason))
}

// bid sends a close frame after what waits. It says false if that can't be done, or takes too long.
func (c *WebSocket) bid(frame []byte) bool {
	g := c.await(frame)
	c.link.Raw(frame)
	return g.within(bidTime)
}

// linger lets the client read our close frame.
func (c *WebSocket) linger() {
	if c.sock.closeWrite() {
		c.readLate()
	}
}

// message implements frameSink.
func (c *WebSocket) message(data []byte, binary bool) error {
	if c.ended.Load() { // nobody will handle it
		c.frames.loan.repay()
		return nil
	}
	now := sinceEpoch()
	c.idle.spoke.Store(int64(now))
	if err := c.allowance.pay(now, c.peers.limits()); err != nil {
		return err
	}
	c.deliver(data, binary, &c.frames.loan) // if it was hung up, what follows is read until the client takes leave
	return nil
}

// control implements frameSink.
func (c *WebSocket) control(op ws.OpCode, payload []byte) error {
	if op == ws.OpPing && !c.ended.Load() {
		if err := c.allowance.pay(sinceEpoch(), c.peers.limits()); err != nil {
			return err
		}
		c.link.Raw(c.frames.role.controlFrame(ws.OpPong, payload))
	}
	return nil
}

// leave implements frameSink.
func (c *WebSocket) leave(code int, reason string) error {
	c.code, c.reason = code, reason
	return errLeft
}

// mostMessage implements frameSink.
func (c *WebSocket) mostMessage() int64 { return c.peers.limits().maxMessage() }

// Encoding implements hub.Peer.
func (c *WebSocket) Encoding() hub.Encoding { return c.encoding }

// TryWrite implements hub.Peer.
func (c *WebSocket) TryWrite(b [][]byte) (n int, err error) {
	n, err = c.sock.tryWrite(b)
	if n > 0 {
		c.wrote(b, n)
	}
	return n, err
}

// Write implements hub.Peer.
func (c *WebSocket) Write(b [][]byte) error {
	err := c.write(b)
	if err == nil {
		c.wrote(b, math.MaxInt)
	}
	return err
}

// wrote notes that so many bytes of b have gone.
func (c *WebSocket) wrote(b [][]byte, n int) {
	for _, p := range b {
		// no control frame; the rest of one that was cut may look like another, and no harm is done
		if len(p) > 0 && p[0]&8 == 0 {
			c.idle.spoke.Store(int64(sinceEpoch()))
			break
		}
	}
	g := c.bidding.Load()
	if g == nil || g.frame == nil {
		return
	}
	for _, p := range b {
		if n -= len(p); n < 0 {
			return
		}
		if len(p) > 0 && &p[len(p)-1] == &g.frame[len(g.frame)-1] {
			g.settle()
		}
	}
}

// End implements hub.Peer. The client's answer ends the reading, or its absence.
func (c *WebSocket) End(code int, reason string) {
	c.ended.Store(true)
	c.writeLast(c.frames.role.closeFrame(code, reason), c.awaitAnswer, c.Abort)
}

// awaitAnswer is called when the hub's close frame has gone.
func (c *WebSocket) awaitAnswer() {
	c.sock.expire(answerTime)
	c.said()
}

// said lets the reader go on if it was about to take leave as well.
func (c *WebSocket) said() {
	c.parted.Store(true)
	if g := c.bidding.Load(); g != nil {
		g.settle()
	}
}

// Abort implements hub.Peer.
func (c *WebSocket) Abort() {
	if c.defers() {
		return
	}
	conn, severed := c.sever()
	if severed {
		c.said()
	}
	if conn != nil { // the reader may be waiting for the hub
		conn.Closed(protocol.CloseBroken, c.excuse(), false)
	}
}

// excuse is the reason of a CLOSE that the client knows nothing of.
func (c *WebSocket) excuse() string {
	if c.silent.Load() {
		return "no answer to a ping"
	}
	return ""
}

func (c *WebSocket) tick() { c.watch(c) }

// keepAlive sends pings, and cuts the connection of a client that does not answer them.
func (c *WebSocket) keepAlive(now time.Duration, limits *SocketLimits) (next time.Duration) {
	silence := c.idle.silence(&c.heard, now)
	if c.asked != 0 && now-silence >= c.asked {
		c.asked = 0
	}
	switch {
	case c.ended.Load():
		return never // the hub has a deadline of its own
	case c.asked == 0 && limits.PingInterval <= 0:
		return laterLook
	case c.asked == 0 && silence < limits.PingInterval:
		return limits.PingInterval - silence
	case c.asked == 0:
		c.asked = now
		c.link.Raw(c.frames.role.controlFrame(ws.OpPing, nil))
	}
	if limits.PongTimeout <= 0 {
		return laterLook
	}
	if left := c.asked + limits.PongTimeout - now; left > 0 {
		return left
	}
	c.silent.Store(true)
	c.Abort()
	return never
}
