// Tunnels: WebSockets that a worker speaks itself, over the stream of the request that it answered with 101 (SPEC.md
// §5.9). The host passes bytes on, at the pace of whoever takes them. It looks at the frames only so that it may take
// leave between two of them, before the worker leaves or the listener ends. The handler's goroutine writes to the
// client, a pump reads; the client's end of sending is a half close, the worker's ends the tunnel.

package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/protocol"
)

// mayTunnel says whether the workers are offered to answer the request with a tunnel.
func (v *visit) mayTunnel() bool {
	if !upgrades(v.r) || v.r.Method != http.MethodGet || v.r.ContentLength != 0 || !hijackable(v.w) {
		return false
	}
	traits := v.terms.Backend.Traits()
	if traits.Awaited != nil { // by a front without connections, which has not waited for it yet
		select {
		case <-traits.Awaited:
		case <-v.r.Context().Done():
		}
		traits = v.terms.Backend.Traits()
	}
	return traits.Tunnel
}

// hijackable looks for what http.ResponseController would find.
func hijackable(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// offerTunnel has the Backend answer a request that mayTunnel, and returns what handle does.
func (v *visit) offerTunnel() *peer.Held {
	if peers := v.handler.peers; peers != nil {
		who, ok := peers.Count.Enter(v.r.RemoteAddr, v.terms.Sockets.MaxPerAddress)
		if !ok {
			v.tooMany()
			return nil
		}
		defer peers.Count.Leave(who)
	}
	x := v.exchange()
	defer x.leave()
	m := &x.request
	m.Flags, m.Length, m.Tunnel = protocol.FlagEnd, 0, protocol.TunnelWebSocket
	x.Repeatable, x.Keyed = false, false // what tries a request once more by itself would have a tunnel for hours
	x.more = make(chan struct{}, 1)
	x.Leaves = x.leavesWithin
	x.submit()
	return x.respond(v)
}

// leavesWithin is the Backend's word that the worker is to leave.
func (x *exchange) leavesWithin(limit time.Duration) {
	x.mu.Lock()
	x.leaves = time.Now().Add(limit)
	x.mu.Unlock()
	x.tell()
}

// checkTunnel says what is wrong with an answer of 101.
func (x *exchange) checkTunnel(v *visit) error {
	if err := x.response.CheckTunnel(); err != nil {
		return err
	}
	key := v.value("Sec-Websocket-Key")
	if got := pairOf(x.response.Headers, "Sec-Websocket-Accept"); got != acceptOf(key) {
		return fmt.Errorf("Sec-WebSocket-Accept of its 101 is %q, which is not that of the client's key", got)
	}
	return nil
}

// openTunnel has the answer, a 101, become a tunnel, and returns at its end.
func (x *exchange) openTunnel(v *visit) {
	if err := x.checkTunnel(v); err != nil {
		x.reject(v, err)
		return
	}
	head := v.switchingProtocols(nil, x.response.Headers)
	v.handler.tunnels.Add(1) // before net/http's Shutdown waits for it no more
	v.tunnels = true
	hijacked, ahead, err := http.NewResponseController(v.w).Hijack()
	if err != nil {
		v.handler.log.Debug("a WebSocket ended before it began", "remote", v.r.RemoteAddr, "error", err)
		panic(http.ErrAbortHandler)
	}
	defer hijacked.Close()
	t := &tunnel{x: x, visit: v, conn: hijacked, ahead: ahead.Reader, idle: v.terms.Sockets.IdleTimeout,
		alarm: time.NewTimer(never)}
	defer t.alarm.Stop()
	if v.conn != nil {
		if ahead.Reader.Buffered() > 0 { // what came this early was read as if it were HTTP
			v.handler.log.Debug("a WebSocket ended before it began", "remote", v.r.RemoteAddr, "error", errEarly)
			return
		}
		t.conn = v.conn.Bare()
	} else {
		t.writeTime = peer.DefaultSocketLimits().WriteTimeout
	}
	if v.entry != nil {
		v.entry.Status = http.StatusSwitchingProtocols
		defer func() { v.entry.In, v.entry.Out = t.in.Load(), t.out }()
	}
	t.serve(head)
}

// Tunnels is how many there are now.
func (h *Handler) Tunnels() int { return int(h.tunnels.Load()) }

// AwaitTunnels returns once there is none any more, or with ctx's error.
func (h *Handler) AwaitTunnels(ctx context.Context) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for h.Tunnels() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tunnel belongs to the handler's goroutine, but for what the pump does.
type tunnel struct {
	x     *exchange
	visit *visit
	conn  net.Conn

	ahead *bufio.Reader // what net/http has read already is there, if anything
	in    atomic.Int64
	heard atomic.Int64 // when something came or went last, in Unix nanoseconds; kept where there is an idle time-out

	out   int64
	edges edges
	idle  time.Duration // 0: for ever

	writeTime time.Duration // for a piece of what the worker says; 0: conn sees to that

	parting parting
	code    int // of the leave that is to be taken
	reason  string
	alarm   *time.Timer
}

// parting is how far the host is with its own end of a tunnel.
type parting int

const (
	staying parting = iota // the alarm is for the idle time-out
	leaving                // leave is to be taken when the alarm rings
	bidding                // it is taken at the next edge; when the alarm rings the tunnel is cut
	parted                 // a close frame has gone, and nothing more of what the worker says
)

const (
	never = 1<<63 - 1
	// partingTime is how long client and worker may take to answer a close frame of ours.
	partingTime = 2 * time.Second
	// lateTime and lateBytes are as in package peer: for what still comes when our last word has gone.
	lateTime  = time.Second
	lateBytes = 256 << 10
)

// serve runs the tunnel. head is the answer to the handshake.
func (t *tunnel) serve(head []byte) {
	x := t.x
	if _, err := t.conn.Write(head); err != nil {
		return
	}
	t.stir()
	if t.idle > 0 {
		t.alarm.Reset(t.idle)
	}
	pumped := make(chan struct{})
	x.refs.Add(1)
	go func() { // ends with the tunnel, which waits for it
		defer close(pumped)
		defer x.drop()
		x.pump(&saying{t: t})
	}()
	polite := t.write(x.response.Body) == nil && t.passOn()
	x.mu.Lock()
	x.left, x.log.writing = true, 0
	x.mu.Unlock()
	signal(x.more)
	t.conn.SetReadDeadline(time.Unix(1, 0))
	<-pumped
	if half, ok := t.conn.(interface{ CloseWrite() error }); polite && ok && half.CloseWrite() == nil {
		t.conn.SetReadDeadline(time.Now().Add(lateTime)) // else the client may lose the last that was said
		io.CopyN(io.Discard, t.conn, lateBytes)
	}
}

// stir notes that something came or went.
func (t *tunnel) stir() {
	if t.idle > 0 {
		t.heard.Store(time.Now().UnixNano())
	}
}

// passOn gives the client what the worker says, until the end, and says whether the client may still read.
func (t *tunnel) passOn() bool {
	x, ending := t.x, t.visit.handler.options.Ending
	for {
		x.mu.Lock() // before what stands before an end is looked for
		over, failed, gone, leaves := x.ended || x.finished, x.failed, x.refusal != nil, x.leaves
		x.mu.Unlock()
		if some, err := t.passSome(); err != nil {
			return false
		} else if some {
			continue
		}
		switch {
		case failed:
			return t.lost()
		case over:
			return true
		case gone:
			return false
		case !leaves.IsZero() && t.parting == staying:
			t.visit.tellTunnels()
			within := time.Until(leaves)
			spread := min(t.visit.terms.Sockets.ShutdownSpread, within/2)
			t.leaveIn(within-min(partingTime, within/4)-part(spread), protocol.CloseRestart, "the service restarts")
		}
		select {
		case <-x.wake:
		case <-ending:
			ending = nil
			if t.parting <= leaving {
				t.leaveIn(part(t.visit.terms.Sockets.ShutdownSpread), protocol.CloseGoing, "the server is going away")
			}
		case <-t.alarm.C:
			if !t.rings() {
				return t.parting == parted
			}
		}
	}
}

// part is a part of d, by chance.
func part(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}

// leaveIn has leave taken in a while.
func (t *tunnel) leaveIn(after time.Duration, code int, reason string) {
	t.parting, t.code, t.reason = leaving, code, reason
	t.alarm.Reset(after)
}

// rings does what the alarm is for. It says false if the tunnel is to be cut.
func (t *tunnel) rings() bool {
	switch t.parting {
	case staying:
		if left := t.idle - time.Since(time.Unix(0, t.heard.Load())); left > 0 {
			t.alarm.Reset(left)
			return true
		}
		t.code, t.reason = protocol.CloseGoing, "idle for too long"
		fallthrough
	case leaving:
		t.parting = bidding
		t.alarm.Reset(partingTime)
		return t.write(nil) == nil
	}
	return false
}

// lost is the end of a tunnel whose worker was cut off, or has died. It says whether the client may still read.
func (t *tunnel) lost() bool {
	if t.x.failure.Kind != protocol.FailedDrained || t.parting == parted {
		return t.parting == parted
	}
	t.parting, t.code, t.reason = bidding, protocol.CloseRestart, "the service restarts"
	return t.write(nil) == nil && t.parting == parted
}

// passSome gives the client what is at hand, and says whether there was any. An error says that it has left.
func (t *tunnel) passSome() (some bool, err error) {
	x := t.x
	x.mu.Lock()
	p, _ := x.log.next() // nothing of it is on disk
	stream := x.stream
	x.mu.Unlock()
	if len(p) == 0 {
		return false, nil
	}
	if err = t.write(p); err != nil {
		return true, err
	}
	x.mu.Lock()
	give := x.log.wrote(p, false)
	x.log.memory.slim(smallBody) // it may be idle from now on
	x.mu.Unlock()
	if give > 0 {
		stream.Consumed(give)
	}
	return true, nil
}

// write writes what the worker says, and takes leave, if it is time, where a frame ends.
func (t *tunnel) write(p []byte) error {
	switch t.parting {
	case parted:
		return nil
	case bidding:
		if !t.edges.between() {
			p = p[:t.edges.feed(p)]
		} else {
			p = nil
		}
		if t.edges.between() && !t.edges.closed {
			p = appendClose(p[:len(p):len(p)], t.code, t.reason)
		}
		if t.edges.between() {
			t.parting = parted
		}
	default:
		for rest := p; len(rest) > 0; {
			rest = rest[t.edges.feed(rest):]
		}
	}
	if len(p) == 0 {
		return nil
	}
	t.stir()
	if t.writeTime > 0 {
		t.conn.SetWriteDeadline(time.Now().Add(t.writeTime))
	}
	n, err := t.conn.Write(p)
	t.out += int64(n)
	return err
}

// tellTunnels says, once for a listener, what becomes of tunnels, and what to do about it.
func (v *visit) tellTunnels() {
	v.handler.toldTunnels.Do(func() {
		v.handler.log.Info("WebSockets that a worker speaks itself end with it, at drain_timeout: those of "+
			"sdk.Worker (OnOpen, OnMessage) are the host's, and stay connected through reloads",
			"pool", v.terms.Backend.Traits().Pool)
	})
}

// saying is a source: what the client of a tunnel says.
type saying struct {
	t      *tunnel
	buffer []byte
}

// leastSaying is how much is read at a time where little comes: an idle tunnel holds as much.
const leastSaying = 2 << 10

func (s *saying) next() (p []byte, end bool, trailers []string, err error) {
	if s.buffer == nil {
		s.buffer = make([]byte, leastSaying)
	}
	var n int
	if ahead := s.t.ahead; ahead != nil && ahead.Buffered() > 0 {
		n, err = ahead.Read(s.buffer)
	} else {
		s.t.ahead = nil
		n, err = s.t.conn.Read(s.buffer)
	}
	s.t.in.Add(int64(n))
	s.t.stir()
	p = s.buffer[:n]
	switch {
	case n == len(s.buffer) && n < protocol.MaxData:
		s.buffer = make([]byte, min(4*n, protocol.MaxData))
	case n < leastSaying && len(s.buffer) > leastSaying:
		s.buffer = nil
	}
	if errors.Is(err, io.EOF) {
		return p, true, nil, nil
	}
	return p, false, nil, err
}

func (s *saying) rewind() bool { return false }
