// A held response: the client's end of a hub's connection whose messages are more of a response's body. sse.go is
// how messages look; how a response becomes one is its front's.

package peer

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// Held implements hub.Peer. Over HTTP/1 it has the socket, which is read until the client leaves (Serve); over HTTP/2
// it has the stream, whose handler waits (Stay).
type Held struct {
	link                // its socket is HTTP/1's alone
	stream  *heldStream // HTTP/2, set once, before anything is written
	ignored int         // bytes that the client sent meanwhile; the reader's own

	encoding heldEncoding

	wrote atomic.Int64 // when bytes went out last, since epoch
	ended atomic.Bool  // the end of the body is on its way
	once  sync.Once    // of leave
}

// NewHeld makes a response's end of a connection: events says that it is a text/event-stream, chunked that its body
// comes in chunks, and who is counted for it.
func (p *Peers) NewHeld(who netip.Addr, events, chunked bool) *Held {
	return &Held{link: link{peers: p, who: who}, encoding: heldEncoding{events: events, chunked: chunked}}
}

// Enter makes it a connection of the hub, to which messages can be sent from now on. since is where its client was, as
// it says itself; "" if it says nothing.
func (p *Held) Enter(remote string, under *Terms, wish *protocol.Hold, since string) error {
	kind := protocol.ProtoPoll
	if p.encoding.events {
		kind = protocol.ProtoSSE
	}
	conn, err := under.in.HoldSince(p, p.peers.card(kind, remote), under.hub, wish, since)
	if err == nil {
		p.join(conn)
	}
	return err
}

// Serve takes the client's socket, over HTTP/1, and closes it when the client leaves, or if the connection has ended
// meanwhile.
func (p *Held) Serve(below Socket, s Sock) {
	if !p.take(below, s) || !p.serve(p, p.tick) {
		p.discard()
		p.leave(protocol.CloseBroken, false)
		return
	}
	p.link.Opened()
}

// Attach is Serve's counterpart for HTTP/2: Stay is to follow.
func (p *Held) Attach(w http.ResponseWriter) {
	s := newHeldStream(w)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream = s
	if p.cut {
		s.cut()
	}
}

const (
	// mostIgnored is how much a client may send while its response is held: perhaps the rest of a body that nobody
	// wants.
	mostIgnored = 1 << 20
	// endTime is how long a client may take to close once the body is whole.
	endTime = time.Second
)

// room implements reader.
func (p *Held) room() ([]byte, error) { return nil, nil }

// took implements reader.
func (p *Held) took(b []byte, _ bool) error {
	if p.ignored += len(b); p.ignored >= mostIgnored {
		return errOverdue
	}
	return nil
}

// glance implements reader.
func (p *Held) glance(b []byte) (taken bool, err error) { return true, p.took(b, true) }

// done implements reader: the client has left.
func (p *Held) done(error) {
	p.close()
	p.leave(protocol.CloseBroken, p.ended.Load())
}

// Stay is Serve's counterpart for HTTP/2: the handler's goroutine, with the exchange behind it. It panics if the
// response is to break off.
func (p *Held) Stay(r *http.Request) {
	p.idle.start(p.tick)
	p.link.Opened()
	whole := p.stream.wait(r.Context().Done())
	p.idle.end()
	p.leave(protocol.CloseBroken, whole)
	if !whole {
		panic(http.ErrAbortHandler)
	}
}

// leave tells all that it is over. A second call does nothing.
func (p *Held) leave(code int, clean bool) {
	p.once.Do(func() {
		p.peers.Count.Leave(p.who)
		if p.Connection != nil {
			p.link.Closed(code, "", clean)
		}
	})
}

// Drop ends what was never served.
func (p *Held) Drop() { p.leave(protocol.CloseBroken, false) }

// Encoding implements hub.Peer.
func (p *Held) Encoding() hub.Encoding {
	if p.encoding == (heldEncoding{}) {
		return nil
	}
	return p.encoding
}

// TryWrite implements hub.Peer.
func (p *Held) TryWrite(b [][]byte) (n int, err error) {
	if p.stream != nil {
		return 0, nil
	}
	if n, err = p.sock.tryWrite(b); n > 0 {
		p.note(b)
	}
	return n, err
}

// Write implements hub.Peer.
func (p *Held) Write(b [][]byte) (err error) {
	if p.stream != nil {
		err = p.stream.write(b, p.peers.limits().WriteTimeout)
	} else {
		err = p.write(b)
	}
	if err == nil {
		p.note(b)
	}
	return err
}

// note notes that some of b has gone.
func (p *Held) note(b [][]byte) {
	now := int64(sinceEpoch())
	p.wrote.Store(now)
	beat := p.encoding.heartbeat()
	for _, piece := range b {
		if len(piece) > 0 && &piece[0] != &beat[0] {
			p.idle.spoke.Store(now)
			return
		}
	}
}

// End implements hub.Peer: the body ends here, whatever the code.
func (p *Held) End(int, string) {
	if p.stream != nil {
		p.stream.end()
		return
	}
	p.ended.Store(true) // first: the client may close as soon as it has the end
	p.writeLast(p.encoding.last(), p.finish, func() {
		p.ended.Store(false)
		p.Abort()
	})
}

// finish lets the client read the end; a close with unread bytes could take it back.
func (p *Held) finish() {
	p.sock.closeWrite()
	p.below.CloseWrite()
	p.sock.expire(endTime)
}

// Abort implements hub.Peer.
func (p *Held) Abort() {
	if p.defers() {
		return
	}
	conn, severed := p.sever()
	p.mu.Lock()
	stream := p.stream
	p.mu.Unlock()
	switch {
	case severed:
	case stream != nil:
		stream.cut()
	case conn != nil: // it has not begun yet
		conn.Closed(protocol.CloseBroken, "", false)
	}
}

func (p *Held) tick() { p.watch(p) }

// keepAlive sends heartbeats, which keep what is between the host and the client from giving up.
func (p *Held) keepAlive(now time.Duration, limits *SocketLimits) (next time.Duration) {
	if limits.PingInterval <= 0 || !p.encoding.events {
		return laterLook
	}
	if left := limits.PingInterval - p.idle.silence(&p.wrote, now); left > 0 {
		return left
	}
	p.wrote.Store(int64(now)) // one that waits to be written is enough
	p.link.Raw(p.encoding.heartbeat())
	return limits.PingInterval
}
