// A client's QUIC connection: who it is, how long it may be idle, and how it ends.

package listen

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/workerhost/workerhost/host/internal/peer"
)

// quicConn implements web.Conn for the requests of one connection. It has a server of quic-go to itself, so that it
// can be told apart when it has to go, and limits that change count for those that come later.
type quicConn struct {
	port   *quicPort
	server *http3.Server
	quic   *quic.Conn // set once the handshake is complete, as is who
	who    netip.Addr // for whom the crowd has counted it

	settled sync.Once // its handshake
	claimed atomic.Bool
	asked   int // how often quic-go has asked for a recorder; see AddProducer
	patience

	mu       sync.Mutex
	requests map[quic.StreamID]*quicRequest // guarded by mu, as all below
	begun    int                            // requests whose handler has begun and not ended
	rested   time.Time                      // when the last of those ended
	idle     *time.Timer
	parted   time.Time // when it was told to go; zero: it was not
}

func newQUICConn(p *quicPort) *quicConn {
	c := &quicConn{port: p, requests: make(map[quic.StreamID]*quicRequest), rested: time.Now()}
	c.renew()
	c.server = &http3.Server{Handler: c, MaxHeaderBytes: p.server.web.Terms().Limits.MaxHeader + 10*32}
	return c
}

// shaken says that the handshake is over.
func (c *quicConn) shaken() { c.settled.Do(func() { c.port.shaking.Add(-1) }) }

// serve answers requests until the connection ends.
func (c *quicConn) serve() {
	defer c.port.forget(c)
	c.mu.Lock()
	c.idle = time.AfterFunc(c.idleTime(), c.look)
	c.mu.Unlock()
	c.server.ServeQUICConn(c.quic) // it waits for the handlers
	c.close(http3.ErrCodeNoError, "")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle.Stop()
	c.sweep(time.Time{})
}

// close ends the connection at once.
func (c *quicConn) close(code http3.ErrCode, why string) {
	c.quic.CloseWithError(quic.ApplicationErrorCode(code), why)
}

// restLook is how often it is looked whether an idle_timeout has come in.
const restLook = time.Minute

func (c *quicConn) idleTime() time.Duration {
	if limit := c.port.server.web.Terms().Limits.IdleTimeout; limit > 0 {
		return limit
	}
	return restLook
}

// look closes a connection that has had no request for idle_timeout. One whose head does not end is none.
func (c *quicConn) look() {
	c.mu.Lock()
	limit := c.idleTime()
	left := limit - time.Since(c.rested)
	if c.begun > 0 || c.port.server.web.Terms().Limits.IdleTimeout == 0 {
		left = limit
	}
	if left > 0 {
		c.idle.Reset(left)
	}
	c.mu.Unlock()
	if left <= 0 {
		c.close(http3.ErrCodeNoError, "")
	}
}

// part tells the client once that no request may follow, and closes the connection when it has had no request for a
// moment: what was said last has to arrive.
func (c *quicConn) part(now time.Time) {
	c.mu.Lock()
	first := c.parted.IsZero()
	if first {
		c.parted = now
	}
	over := c.begun == 0 && now.Sub(c.parted) >= partingMoment && now.Sub(c.rested) >= partingMoment
	c.mu.Unlock()
	switch {
	case first:
		c.port.goAway(c)
	case over:
		c.close(http3.ErrCodeNoError, "")
	}
}

// goAway has quic-go send GOAWAY.
func (p *quicPort) goAway(c *quicConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.running.Go(func() { c.server.Shutdown(context.Background()) }) // ends with the connection
	}
}

// served says that a handler has begun, or has ended, by n.
func (c *quicConn) served(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun += n; n < 0 {
		c.rested = time.Now()
	}
}

// The rest is web.Conn.

// Claim gives the caller the memory that the connection has of its own, until Unclaim. It says false if another has
// it.
func (c *quicConn) Claim() bool { return c.claimed.CompareAndSwap(false, true) }

// Unclaim gives it back.
func (c *quicConn) Unclaim() { c.claimed.Store(false) }

// EndAfter has no meaning here: each request has a stream of its own.
func (c *quicConn) EndAfter(bool) {}

// Reason is what is given: quic-go does not say what it found wrong.
func (c *quicConn) Reason(given string) string { return given }

// Answers need not be known here.
func (c *quicConn) Answers(int) {}

// Cut ends the connection in disorder.
func (c *quicConn) Cut() { c.close(http3.ErrCodeInternalError, "") }

// LetGo is for HTTP/1 alone, whose connection may become another's.
func (c *quicConn) LetGo() (peer.Socket, peer.Sock) { panic(http.ErrAbortHandler) }

// Bare is likewise.
func (c *quicConn) Bare() net.Conn { panic(http.ErrAbortHandler) }
