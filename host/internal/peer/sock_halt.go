// How a socket that a goroutine waits for is paused: by deadlines, which interrupt it and lose nothing. Over TLS a
// write that waits can't be interrupted.

package peer

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// halt is whether the reader of an attended is, or is to be, paused.
type halt struct {
	pausing atomic.Bool
	expires atomic.Bool // a deadline is the connection's end

	mu sync.Mutex
	// guarded by mu
	again func()        // has the reader go on; nil: it reads, or has ended
	ended bool          // there is no reader any more
	stirs chan struct{} // closed when either changes; nil unless somebody waits
}

func (h *halt) rouse() {
	if h.stirs != nil {
		close(h.stirs)
		h.stirs = nil
	}
}

// halts says whether the reader, which ended with err, has only been paused; again has it go on.
func (s *attended) halts(err error, again func()) bool {
	if err == errWorn {
		return false
	}
	h := &s.halt
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rouse()
	switch {
	case h.expires.Load() || !errors.Is(err, os.ErrDeadlineExceeded):
		h.ended = true
		return false
	case h.pausing.Load():
		h.again = again
	default: // it was resumed meanwhile
		go again() // ends with the connection
	}
	return true
}

func (s *attended) pause() {
	s.halt.pausing.Store(true)
	s.conn.SetReadDeadline(time.Unix(1, 0))
	if s.raw != nil {
		s.conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

func (s *attended) halted(ctx context.Context) bool {
	h := &s.halt
	for {
		h.mu.Lock()
		there, ended := h.again != nil, h.ended
		if h.stirs == nil {
			h.stirs = make(chan struct{})
		}
		stirs := h.stirs
		h.mu.Unlock()
		if there || ended {
			return there
		}
		select {
		case <-stirs:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *attended) resume() {
	h := &s.halt
	h.pausing.Store(false)
	s.conn.SetReadDeadline(time.Time{})
	if s.raw != nil {
		s.conn.SetWriteDeadline(time.Time{})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if again := h.again; again != nil {
		h.again = nil
		go again() // ends with the connection
	}
}

func (s *attended) abandon() { s.conn.Close() }

func (s *attended) duplicate() (*os.File, net.Conn, error) {
	if s.raw == nil {
		return nil, s.conn, nil
	}
	f, err := duplicateFile(s.conn.(syscall.Conn))
	return f, nil, err
}
