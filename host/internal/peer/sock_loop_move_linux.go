// How a socket on a loop is halted, handed over and resumed; and what net.Conn asks for and no loop has.

package peer

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workerhost/workerhost/host/internal/loop"
)

func (s *Polled) pause() {
	s.in.Lock()
	defer s.in.Unlock()
	s.pauses = true
	if s.turn == resting {
		s.turn = halting
	}
	s.wake()
}

func (s *Polled) isPaused() bool {
	s.in.Lock()
	defer s.in.Unlock()
	return s.pauses
}

// haltNow is the reader's answer to pause.
func (s *Polled) haltNow() {
	s.in.Lock()
	defer s.in.Unlock()
	if s.turn = halting; !s.pauses { // it was resumed meanwhile
		s.wait()
	}
	s.wake()
}

func (s *Polled) halted(ctx context.Context) bool {
	for {
		wakes := s.awaken()
		s.in.Lock()
		turn, closed := s.turn, s.fd < 0
		s.in.Unlock()
		switch {
		case closed, turn == parting:
			return false
		case turn == halting:
			return true
		}
		select {
		case <-wakes:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *Polled) resume() {
	s.in.Lock()
	defer s.in.Unlock()
	s.pauses = false
	if s.turn == halting {
		s.wait()
	}
}

func (s *Polled) abandon() {
	s.in.Lock()
	defer s.in.Unlock()
	s.out.Lock()
	defer s.out.Unlock()
	if s.fd < 0 {
		return
	}
	s.on.Remove()
	unix.Close(s.fd)
	s.fd, s.turn = -1, parting
	s.wake()
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *Polled) duplicate() (*os.File, net.Conn, error) {
	s.out.Lock()
	defer s.out.Unlock()
	if s.fd < 0 {
		return nil, nil, net.ErrClosed
	}
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "client"), nil, nil
}

// PollFile takes a socket that came from another process to a loop, and closes f. It says false, and leaves f as it
// is, if that can't be.
func PollFile(loops *loop.Set, f *os.File) (s *Polled, ok bool) {
	if loops == nil {
		return nil, false
	}
	fd, ok := loop.TakeFile(f)
	if !ok {
		return nil, false
	}
	return newPolled(loops, fd), true
}

// SetLinger is net.TCPConn's.
func (s *Polled) SetLinger(seconds int) error {
	s.out.Lock()
	defer s.out.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	return unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: int32(seconds)})
}

var errPolled = errors.New("a socket on a loop is not read or written by others")

// Read fails.
func (s *Polled) Read([]byte) (int, error) { return 0, errPolled }

// Write fails.
func (s *Polled) Write([]byte) (int, error) { return 0, errPolled }

// LocalAddr is nobody's: who needs it has kept it.
func (s *Polled) LocalAddr() net.Addr { return nil }

// RemoteAddr is nobody's, likewise.
func (s *Polled) RemoteAddr() net.Addr { return nil }

// SetDeadline does nothing: what takes time is bounded otherwise.
func (s *Polled) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (s *Polled) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s *Polled) SetWriteDeadline(time.Time) error { return nil }
