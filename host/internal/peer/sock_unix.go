//go:build linux || darwin

// Reads and writes that take what a socket has, or has room for, and do not wait.

package peer

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConn is the socket itself; nil if c is none.
func rawConn(c net.Conn) syscall.RawConn {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// tryRead says false if nothing has come, and then holds no buffer.
func (s *Sock) tryRead(fd uintptr) bool {
	into := s.into
	if into == nil {
		s.borrowed = readBuffers.Get().(*[readSize]byte)
		into = s.borrowed[:]
	}
	for {
		s.n, s.err = unix.Read(int(fd), into)
		switch {
		case s.err == unix.EINTR:
			continue
		case s.err == unix.EAGAIN:
			s.release()
			if s.worn && s.into == nil && sinceEpoch()-s.renewed >= renewTime {
				s.n, s.err = 0, errWorn
				return true
			}
			return false
		case s.err == nil && s.n == 0:
			s.err = io.EOF
		}
		return true
	}
}

// mostBuffers is how many the kernel takes in one call; there is little to gain beyond.
const mostBuffers = 64

// try takes one turn: what a socket does not take at once waits.
func (w *writeAttempt) try(fd uintptr) bool {
	for {
		if len(w.b) == 1 {
			w.n, w.err = unix.Write(int(fd), w.b[0])
		} else {
			w.n, w.err = unix.Writev(int(fd), w.b[:min(len(w.b), mostBuffers)])
		}
		switch w.err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			w.n, w.err = 0, nil
		}
		w.n = max(w.n, 0)
		return true
	}
}
