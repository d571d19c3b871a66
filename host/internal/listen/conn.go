// Connections as net/http sees them: strictConn, above the client's (client.go) and above TLS, lets only unambiguous
// heads through.

package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/workerhost/workerhost/host/internal/guard"
	"github.com/workerhost/workerhost/host/internal/peer"
	"github.com/workerhost/workerhost/host/internal/web"
)

// crowdAcceptor accepts clients, and counts them among the crowd.
type crowdAcceptor struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l *crowdAcceptor) Accept() (net.Conn, error) {
	s := l.server
	c, who, err := s.admit(l.Listener)
	if err != nil {
		return nil, err
	}
	return s.clients.add(c, s.crowd, who, s.writeTimeout), nil
}

// Close implements net.Listener; Shutdown may have closed the socket before net/http does.
func (l *crowdAcceptor) Close() error {
	if err := l.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// strictAcceptor accepts clients of plain HTTP.
type strictAcceptor struct {
	net.Listener
	server *Server
}

// acceptUntil implements acceptor. An interruption of the socket has it look again.
func (l strictAcceptor) acceptUntil(<-chan struct{}) (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newStrictConn(c, l.server), nil
}

// strictConn reads along with net/http, and puts poison in the place of what is not allowed. One goroutine at a time
// reads, and one writes.
type strictConn struct {
	net.Conn
	server *Server
	tls    *tls.ConnectionState // of HTTP/2 over TLS; nil for all others

	// what a lane has left of it
	replay  []byte        // read already; the reader's
	spent   time.Duration // on the head that begins; the first deadline takes it into account
	pending atomic.Pointer[web.Pending]

	// the reader's
	scan    scanner
	poison  []byte // what is still to be read instead
	broken  bool
	timed   bool // a header block has to end in time
	late    bool // a head or a header block did not
	vacates bool // it waits for a request, and another host has it when net/http closes

	until atomic.Int64 // the read deadline, in Unix nanoseconds; 0: there is none

	doomed    atomic.Bool            // no request may follow
	lingers   atomic.Bool            // the client may still be sending when net/http closes
	serving   atomic.Bool            // a request is at hand (see halfclose.go)
	wrong     atomic.Pointer[string] // why it is broken
	answering atomic.Bool            // HTTP/1: a handler has the request, or its answer is on its way
	handled   int                    // HTTP/1: how many requests had a handler
	replies   replies                // HTTP/2
	claimed   atomic.Bool            // HTTP/2: a stream has the connection's own memory
}

func newStrictConn(c net.Conn, s *Server) *strictConn {
	return &strictConn{Conn: c, server: s, scan: scanner{limit: s.web.Terms().Limits.MaxHeader + 8<<10}}
}

// poison makes any request line, header, end of a head, line of a chunk or trailer invalid, so that net/http answers
// 400 and closes: a bare CR in the line that it ends, and then a line without a colon. It is longer than the four
// bytes for which net/http waits before it begins to read a request.
var poison = []byte("\r\x00\r\n\x00\r\n\r\n")

// errDoomed is not io.EOF: at the end of a body net/http begins to watch the client, which nobody would end before it
// looks for the next request.
var errDoomed = errors.New("the connection ends with this response")

// Read implements net.Conn.
func (c *strictConn) Read(p []byte) (int, error) {
	if c.doomed.Load() {
		return 0, errDoomed
	}
	if c.broken {
		if len(c.poison) == 0 && c.scan.frames != nil {
			return 0, c.hangUp()
		}
		if len(c.poison) == 0 { // for ever: an end would look like a client that left, to the request before
			c.poison = poison
		}
		n := copy(p, c.poison)
		c.poison = c.poison[n:]
		return n, nil
	}
	n, err := c.readHalf(p)
	good, wrong := c.scan.feed(p[:n])
	for n > 0 && good == 0 && wrong == "" { // nothing but an empty line
		n, err = c.readHalf(p)
		good, wrong = c.scan.feed(p[:n])
	}
	if c.scan.frames != nil {
		c.below().waits.Store(apart)
	}
	// an answer of HTTP/1 would be none (RFC 9113 §3.4)
	if wrong != "" && c.scan.agreed == "h2" && c.scan.frames == nil {
		c.note(http.StatusBadRequest, 0, wrong)
		c.answering.Store(true) // what net/http says now is noted already
		c.doomed.Store(true)
		c.Conn.Close()
		return 0, io.EOF
	}
	if wrong != "" {
		c.wrong.Store(&wrong)
		c.broken, c.poison = true, poison
		if c.scan.frames != nil {
			c.poison = poisonFrame
		}
		k := copy(p[good:], c.poison)
		c.poison = c.poison[k:]
		return good + k, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.noteLateHead()
	}
	if f := c.scan.frames; f != nil && f.unfinished() != c.timed {
		c.time(!c.timed)
	}
	return good, err
}

// time bounds what is left of a header block that has begun, or ends that.
func (c *strictConn) time(on bool) {
	if limit := c.server.web.Terms().Limits.HeaderTimeout; !on {
		c.Conn.SetReadDeadline(time.Time{})
	} else if limit > 0 {
		c.Conn.SetReadDeadline(time.Now().Add(limit))
	}
	c.timed = on
}

// SetReadDeadline implements net.Conn.
func (c *strictConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		t, c.spent = t.Add(-c.spent), 0
		c.until.Store(t.UnixNano())
	} else {
		c.until.Store(0)
	}
	return c.Conn.SetReadDeadline(t)
}

// hangUp gives net/http the time to send its GOAWAY, and the client to read it: little more is taken of the client.
func (c *strictConn) hangUp() error {
	until := time.Now().Add(guard.LeavingTime)
	c.Conn.SetReadDeadline(until)
	if n, _ := io.CopyN(io.Discard, c.Conn, guard.LeavingBytes); n == guard.LeavingBytes {
		time.Sleep(time.Until(until))
	}
	return io.EOF
}

// Write implements net.Conn.
func (c *strictConn) Write(p []byte) (int, error) {
	if f := c.scan.frames; f != nil {
		c.replies.feed(p, f.answered, c.noteRefusal)
	} else if !c.answering.Load() {
		c.noteOwnAnswer(p)
	}
	return c.Conn.Write(p)
}

// ReadFrom implements io.ReaderFrom, for sendfile.
func (c *strictConn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(*client); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(onlyWriter{c.Conn}, r)
}

// below is the client's connection, below TLS if there is that.
func (c *strictConn) below() *client {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		return secure.NetConn().(*client)
	}
	return c.Conn.(*client)
}

const (
	lingerGap   = time.Second
	lingerTotal = 10 * time.Second
)

// Close implements net.Conn. A client that is still sending would lose our answer if we closed at once, so what comes
// is read for a while, and thrown away (RFC 9112 §9.6). A second call cuts that short.
func (c *strictConn) Close() error {
	c.replies.end(c.noteRefusal)
	if p := c.pending.Swap(nil); p != nil {
		p.Drop()
	}
	if c.vacates && c.vacate() {
		return nil
	}
	if c.lingers.Swap(false) && !c.server.peers.IsOver() {
		below, buffer := c.below(), make([]byte, 32<<10)
		c.CloseWrite()
		err := below.CloseWrite()
		for until := time.Now().Add(lingerTotal); err == nil && time.Now().Before(until); {
			below.SetReadDeadline(time.Now().Add(lingerGap))
			_, err = below.Read(buffer)
		}
	}
	return c.Conn.Close()
}

// CloseWrite tells the peer that nothing more will come.
func (c *strictConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func strictOf(r *http.Request) *strictConn { return strictBelow(r.Context().Value(connKey{})) }

// strictBelow is what net/http calls a connection; nil if it is none of ours.
func strictBelow(c any) *strictConn {
	switch c := c.(type) {
	case *strictConn:
		return c
	case *secureConn:
		return c.strictConn
	}
	return nil
}

// The rest is web.Conn: what a request in its handler asks of its connection.

// Claim gives the caller the memory that the connection has of its own, until Unclaim. It says false if another has
// it.
func (c *strictConn) Claim() bool { return c.claimed.CompareAndSwap(false, true) }

// Unclaim gives it back.
func (c *strictConn) Unclaim() { c.claimed.Store(false) }

// EndAfter has the connection end with the answer at hand, and net/http not wait for the rest of the request. lingers
// says that the client may still be sending it.
func (c *strictConn) EndAfter(lingers bool) {
	c.lingers.Store(lingers)
	c.doomed.Store(true)
}

// Answers hears of each status before it is written.
func (c *strictConn) Answers(status int) {
	if mayBeRefusal(status) {
		c.replies.own.Add(1)
	}
}

// Cut ends the connection in disorder, over TLS without taking leave, too.
func (c *strictConn) Cut() { c.below().Cut() }

// LetGo finds the socket, once net/http has let go of the connection, and leaves all between behind, save TLS.
func (c *strictConn) LetGo() (below peer.Socket, s peer.Sock) {
	b := c.below()
	b.timeout = c.server.socketWriteTimeout // for a socket that is not written directly, as over TLS
	b.strikes.Store(0)
	if c.Conn == net.Conn(b) {
		return b.LetGo()
	}
	return b, peer.NewSock(c.Conn, nil)
}

// Bare is the connection below this one, once net/http has let go of it. Its writes have the time-out of long-lived
// connections.
func (c *strictConn) Bare() net.Conn {
	b := c.below()
	b.timeout = c.server.socketWriteTimeout
	b.strikes.Store(0)
	return c.Conn
}
