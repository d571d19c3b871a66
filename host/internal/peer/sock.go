// Sockets of long-lived connections: written as far as they take without waiting, and waited for without holding a
// buffer, so that an idle one costs little. Those of cleartext are on an event loop (sock_loop_linux.go); here are
// those that a goroutine waits for: over TLS, and where there are no loops.

package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/workerhost/workerhost/host/internal/hub"
)

// Sock is a client's socket, with what is above it. One at a time writes.
type Sock interface {
	// serve has r told of what comes, until the end. p waits for it.
	serve(p *Peers, r reader)
	// tryWrite writes what the socket takes without waiting.
	tryWrite(b [][]byte) (n int, err error)
	// write writes all of b. It fails if the client takes nothing for the time-out; 0 is for ever.
	write(b [][]byte, timeout time.Duration) error
	// closeWrite tells the client that nothing more will come. It says false if that can't be done.
	closeWrite() bool
	// parley says whether closeWrite may wait for the client, for 5 s at most.
	parley() bool
	// expire ends the reading when the time is up.
	expire(after time.Duration)
	// drain reads so much at most, for so long at most, and throws it away. Nobody else reads any more.
	drain(most int64, limit time.Duration)
	// close may be called again.
	close()

	// The rest is for move.go. pause ends reading and waiting writes, the latter with [hub.Paused]; halted waits until
	// nobody reads, and says false if it is about to end; after that either resume or abandon is called, which lets go
	// of the socket without a word to the client.
	pause()
	halted(ctx context.Context) bool
	resume()
	abandon()
	// duplicate is as Mover.Socket.
	duplicate() (*os.File, net.Conn, error)
}

// reader is what a kind of connection does with what its client says. One goroutine at a time calls it.
type reader interface {
	// room is where the next bytes have to go; nil is memory that is lent until took returns. It may wait.
	room() ([]byte, error)
	// took takes what has come, to lent memory or to what room said. It may wait. An error ends the reading.
	took(p []byte, lent bool) error
	// glance is took for lent memory, where that needs no waiting; else it says false, and has done nothing.
	glance(p []byte) (taken bool, err error)
	// done takes leave after the end of the reading, and closes the socket. It may wait.
	done(err error)
}

// attended is a Sock that a goroutine waits for.
type attended struct {
	conn net.Conn
	// nil where it can't be known what the socket takes: over TLS, and on systems that we don't know well enough
	raw syscall.RawConn

	// the reader's own
	attempt  func(fd uintptr) bool // set once: takes what has come to into, or else to a buffer of the pool
	into     []byte
	borrowed *[readSize]byte // on loan from the pool
	own      *[ownSize]byte  // used in its place if raw is nil
	n        int
	err      error
	worn     bool          // something was read since the reader's goroutine began
	renewed  time.Duration // when that was, since epoch

	halt halt // see sock_halt.go
}

// errWorn says that nothing has come, and that another goroutine had better wait for it: the stack of this one has
// grown with what there was to do, and a stack that has grown once never becomes as small again. Over TLS it does not
// come.
var errWorn = errors.New("the reader's stack has grown")

// renewTime is the least time between two such goroutines, so that a busy connection is not held up by that.
const renewTime = time.Second

const (
	readSize = 4 << 10 // how much is read at a time
	ownSize  = 1 << 10 // likewise, where an idle connection has to hold it
)

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// NewSock takes a connection over. direct is the socket itself, or nil if there is something between it and conn.
// conn's writes time out by themselves.
func NewSock(conn, direct net.Conn) Sock {
	s := &attended{conn: conn}
	if direct == nil {
		return s
	}
	if s.raw = rawConn(direct); s.raw != nil {
		s.conn = direct
		s.attempt = s.tryRead
	}
	return s
}

func (s *attended) serve(p *Peers, r reader) { go s.goOn(p, r) } // it ends with the connection

func (s *attended) goOn(p *Peers, r reader) {
	err := s.readTo(r)
	if s.halts(err, func() { s.goOn(p, r) }) {
		return
	}
	if err == errWorn {
		go s.goOn(p, r)
		return
	}
	r.done(err)
	p.running.Done()
}

// readTo reads until an error.
func (s *attended) readTo(r reader) error {
	for {
		into, err := r.room()
		if err != nil {
			return err
		}
		p, err := s.read(into)
		if err != nil {
			return err
		}
		err = r.took(p, into == nil)
		s.release()
		if err != nil {
			return err
		}
	}
}

// read waits until something comes. It goes to into unless that is nil, else to a buffer that lasts until release.
// io.EOF is the end. After errWorn, which comes only where into is nil, reading goes on.
func (s *attended) read(into []byte) (p []byte, err error) {
	if s.raw == nil {
		if into == nil {
			if s.own == nil {
				s.own = new([ownSize]byte)
			}
			into = s.own[:]
		}
		n, err := s.conn.Read(into)
		if n > 0 {
			err = nil // it comes again
		}
		return into[:n], err
	}
	s.into = into
	if err := s.raw.Read(s.attempt); err != nil {
		s.release()
		return nil, err
	}
	if into == nil && s.borrowed != nil {
		into = s.borrowed[:]
	}
	s.into, s.worn = nil, true
	if s.err == errWorn {
		s.worn, s.renewed = false, sinceEpoch()
	}
	if s.err != nil || s.n == 0 {
		s.release()
		return nil, s.err
	}
	return into[:s.n], nil
}

// release gives back what read had on loan.
func (s *attended) release() {
	if s.borrowed != nil {
		readBuffers.Put(s.borrowed)
		s.borrowed = nil
	}
}

func (s *attended) closeWrite() bool {
	half, ok := s.conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

func (s *attended) parley() bool {
	_, secure := s.conn.(*tls.Conn)
	return secure
}

func (s *attended) expire(after time.Duration) {
	s.halt.expires.Store(true)
	s.conn.SetReadDeadline(time.Now().Add(after))
}

func (s *attended) drain(most int64, limit time.Duration) {
	s.expire(limit)
	io.CopyN(io.Discard, s.conn, most)
}

func (s *attended) close() { s.conn.Close() }

func (s *attended) tryWrite(b [][]byte) (n int, err error) {
	if s.raw == nil {
		return 0, nil
	}
	w := writeAttempts.Get().(*writeAttempt)
	w.b, w.n, w.err = b, 0, nil
	if err = s.raw.Write(w.run); err == nil {
		err = w.err
	}
	n, w.b = w.n, nil
	writeAttempts.Put(w)
	return n, err
}

// writeAttempt is reused, since its function would be allocated anew for each write.
type writeAttempt struct {
	run func(fd uintptr) bool
	b   [][]byte
	n   int
	err error
}

var writeAttempts = sync.Pool{New: func() any {
	w := new(writeAttempt)
	w.run = w.try
	return w
}}

func (s *attended) write(b [][]byte, timeout time.Duration) error {
	if s.raw == nil {
		return s.writeJoined(b)
	}
	rest := append(net.Buffers(nil), b...)
	done := int64(0)
	if timeout > 0 {
		defer s.conn.SetWriteDeadline(time.Time{}) // else tryWrite would fail later on
	}
	wait := NewStall(timeout)
	if timeout > 0 {
		s.conn.SetWriteDeadline(wait.since.Add(StallStep(timeout)))
	}
	for {
		n, err := s.writeSome(&rest)
		done += n
		if err != nil && s.halt.pausing.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			return hub.Paused(done)
		}
		if err == nil || timeout <= 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		deadline, ok := wait.More(n > 0)
		if !ok {
			return err
		}
		s.conn.SetWriteDeadline(deadline)
	}
}

// writeSome writes all of rest, or takes off it what went. A single piece goes the simple way, on which the socket
// keeps nothing for the next time.
func (s *attended) writeSome(rest *net.Buffers) (int64, error) {
	if len(*rest) != 1 {
		return rest.WriteTo(s.conn)
	}
	n, err := s.conn.Write((*rest)[0])
	(*rest)[0] = (*rest)[0][n:]
	return int64(n), err
}

const joinSize = 16 << 10 // a record of TLS

var joinBuffers = sync.Pool{New: func() any { return new([joinSize]byte) }}

// writeJoined writes small pieces together, since each write is a record.
func (s *attended) writeJoined(b [][]byte) error {
	buffer := joinBuffers.Get().(*[joinSize]byte)
	defer joinBuffers.Put(buffer)
	n := 0
	for i := 0; i <= len(b); i++ {
		if n > 0 && (i == len(b) || len(b[i]) > joinSize-n) {
			if _, err := s.conn.Write(buffer[:n]); err != nil {
				return err
			}
			n = 0
		}
		switch {
		case i == len(b):
		case len(b[i]) > joinSize:
			if _, err := s.conn.Write(b[i]); err != nil {
				return err
			}
		default:
			n += copy(buffer[n:], b[i])
		}
	}
	return nil
}
