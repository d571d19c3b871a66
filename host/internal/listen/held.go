// A held response: the client's end of a hub's connection whose messages are more of a response's body. hold.go is how one begins, sse.go how messages look.

package listen

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// held implements hub.Peer. Over HTTP/1 it has the socket, and one goroutine that waits for the client to leave (run); over HTTP/2 it has the stream, whose
// handler waits (stay).
type held struct {
	server   *Server
	kind     string         // SPEC.md §9.3's protocol
	wish     *protocol.Hold // until the hub has it; guarded by the exchange's mu, as wrong
	wrong    error          // why it can't be held
	link     *hub.Connection
	encoding heldEncoding
	who      netip.Addr // that it counts for
	taken    bool       // the handler's: it is no more the exchange's
	ignored  int        // bytes that the client sent meanwhile; the reader's own

	below  *client     // HTTP/1, set once, before anything is written; see take
	sock   *sock       // likewise
	stream *heldStream // HTTP/2, set once, before anything is written

	wrote atomic.Int64 // when bytes went out last; times are since epoch
	spoke atomic.Int64 // when a message did
	ended atomic.Bool  // the end of the body is on its way
	once  sync.Once    // of leave

	mu    sync.Mutex
	cut   bool        // guarded by mu: Abort was called
	timer *time.Timer // guarded by mu; nil when it is over
}

// join makes link the connection that p is the client's end of.
func (p *held) join(link *hub.Connection) {
	p.mu.Lock()
	p.link = link
	cut := p.cut
	p.mu.Unlock()
	if cut {
		link.Closed(protocol.CloseBroken, "", false)
	}
}

// take finds the socket below what net/http has let go of. It says false if the connection was aborted meanwhile.
func (p *held) take(conn net.Conn) bool {
	below, s := detach(conn, p.server)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.below, p.sock = below, s
	return !p.cut
}

// attach is take's counterpart for HTTP/2.
func (p *held) attach(s *heldStream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream = s
	if p.cut {
		s.cut()
	}
}

const (
	// mostIgnored is how much a client may send while its response is held: perhaps the rest of a body that nobody wants.
	mostIgnored = 1 << 20
	// endTime is how long a client may take to close once the body is whole.
	endTime = time.Second
)

// run waits until the client leaves.
func (p *held) run() {
	p.beginTimer()
	p.goOn()
}

func (p *held) goOn() {
	for p.ignored < mostIgnored {
		b, err := p.sock.read(nil)
		if err == errWorn {
			p.server.sockets.Go(p.goOn)
			return
		}
		if err != nil {
			break
		}
		p.ignored += len(b)
		p.sock.release()
	}
	p.endTimer()
	p.sock.conn.Close()
	p.below.Close()
	p.leave(protocol.CloseBroken, p.ended.Load())
}

// stay is run's counterpart for HTTP/2: the handler's goroutine, with the exchange behind it. It panics if the response is to break off.
func (p *held) stay(r *http.Request) {
	p.beginTimer()
	p.link.Opened()
	whole := p.stream.wait(r.Context().Done())
	p.endTimer()
	p.leave(protocol.CloseBroken, whole)
	if !whole {
		panic(http.ErrAbortHandler)
	}
}

// leave tells all that it is over. A second call does nothing.
func (p *held) leave(code int, clean bool) {
	p.once.Do(func() {
		p.server.tally.leave(p.who)
		if p.link != nil {
			p.link.Closed(code, "", clean)
		}
	})
}

// Encoding implements hub.Peer.
func (p *held) Encoding() hub.Encoding {
	if p.encoding == (heldEncoding{}) {
		return nil
	}
	return p.encoding
}

// TryWrite implements hub.Peer.
func (p *held) TryWrite(b [][]byte) (n int, err error) {
	if p.stream != nil {
		return 0, nil
	}
	if n, err = p.sock.tryWrite(b); n > 0 {
		p.note(b)
	}
	return n, err
}

// Write implements hub.Peer.
func (p *held) Write(b [][]byte) (err error) {
	timeout := p.server.socketWriteTimeout()
	if p.stream != nil {
		err = p.stream.write(b, timeout)
	} else {
		err = p.sock.write(b, timeout)
	}
	if err == nil {
		p.note(b)
	}
	return err
}

// note notes that some of b has gone.
func (p *held) note(b [][]byte) {
	now := int64(sinceEpoch())
	p.wrote.Store(now)
	beat := p.encoding.heartbeat()
	for _, piece := range b {
		if len(piece) > 0 && &piece[0] != &beat[0] {
			p.spoke.Store(now)
			return
		}
	}
}

// End implements hub.Peer: the body ends here, whatever the code.
func (p *held) End(int, string) {
	if p.stream != nil {
		p.stream.end()
		return
	}
	p.ended.Store(true) // first: the client may close as soon as it has the end
	last := p.encoding.last()
	n, err := p.sock.tryWrite([][]byte{last})
	switch {
	case err != nil:
		p.ended.Store(false)
		p.Abort()
	case n == len(last):
		p.finish()
	default:
		begun := p.server.begin(func() { // ends with the write time-out, or Abort
			if p.sock.write([][]byte{last[n:]}, p.server.socketWriteTimeout()) != nil {
				p.ended.Store(false)
				p.Abort()
				return
			}
			p.finish()
		})
		if !begun {
			p.Abort()
		}
	}
}

// finish lets the client read the end; a close with unread bytes could take it back.
func (p *held) finish() {
	if half, ok := p.sock.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	p.below.CloseWrite()
	p.sock.conn.SetReadDeadline(time.Now().Add(endTime))
}

// Abort implements hub.Peer.
func (p *held) Abort() {
	p.mu.Lock()
	p.cut = true
	below, stream, link := p.below, p.stream, p.link
	p.mu.Unlock()
	switch {
	case stream != nil:
		stream.cut()
	case below != nil:
		if tcp, ok := below.Conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		below.Close()
	case link != nil: // it has not begun yet
		link.Closed(protocol.CloseBroken, "", false)
	}
}
