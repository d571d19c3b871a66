//go:build linux || darwin

// Reads and writes that take what a socket has, or has room for, and do not wait.

package peer

import (
	"errors"
	"io"
	"net"
	"os"
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
func (s *attended) tryRead(fd uintptr) bool {
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
	w.n, w.err = writeNow(int(fd), w.b)
	return true
}

// writeNow writes what a socket takes without waiting.
func writeNow(fd int, b [][]byte) (n int, err error) {
	for {
		if len(b) == 1 {
			n, err = unix.Write(fd, b[0])
		} else {
			n, err = unix.Writev(fd, b[:min(len(b), mostBuffers)])
		}
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			n, err = 0, nil
		}
		return max(n, 0), err
	}
}

// duplicateFile is the same socket once more.
func duplicateFile(c syscall.Conn) (*os.File, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	wrong := raw.Control(func(given uintptr) { fd, err = unix.FcntlInt(given, unix.F_DUPFD_CLOEXEC, 0) })
	if wrong != nil || err != nil {
		return nil, errors.Join(wrong, err)
	}
	return os.NewFile(uintptr(fd), "client"), nil
}
