// Sockets of long-lived connections: written as far as they take without waiting, and waited on without holding a
// buffer, so that an idle one costs little.

package peer

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Sock is a connection that one goroutine reads, and one at a time writes.
type Sock struct {
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
func NewSock(conn, direct net.Conn) *Sock {
	s := &Sock{conn: conn}
	if direct == nil {
		return s
	}
	if s.raw = rawConn(direct); s.raw != nil {
		s.conn = direct
		s.attempt = s.tryRead
	}
	return s
}

// read waits until something comes. It goes to into unless that is nil, else to a buffer that lasts until release.
// io.EOF is the end. After errWorn, which comes only where into is nil, reading goes on.
func (s *Sock) read(into []byte) (p []byte, err error) {
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
func (s *Sock) release() {
	if s.borrowed != nil {
		readBuffers.Put(s.borrowed)
		s.borrowed = nil
	}
}

// closeWrite tells the client that nothing more will come. It says false if that can't be done.
func (s *Sock) closeWrite() bool {
	half, ok := s.conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// tryWrite writes what the socket takes without waiting.
func (s *Sock) tryWrite(b [][]byte) (n int, err error) {
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

// write writes all of b. It fails if the client takes nothing for the time-out; 0 is for ever.
func (s *Sock) write(b [][]byte, timeout time.Duration) error {
	if s.raw == nil {
		return s.writeJoined(b)
	}
	rest := append(net.Buffers(nil), b...)
	if timeout > 0 {
		defer s.conn.SetWriteDeadline(time.Time{}) // else tryWrite would fail later on
	}
	wait := NewStall(timeout)
	if timeout > 0 {
		s.conn.SetWriteDeadline(wait.since.Add(StallStep(timeout)))
	}
	for {
		n, err := s.writeSome(&rest)
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
func (s *Sock) writeSome(rest *net.Buffers) (int64, error) {
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
func (s *Sock) writeJoined(b [][]byte) error {
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
