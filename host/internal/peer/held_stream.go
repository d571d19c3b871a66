// A held response over HTTP/2: the stream is net/http's, and lives as long as its handler does.

package peer

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// heldStream is written to by one goroutine at a time, while the handler waits.
type heldStream struct {
	control *http.ResponseController
	whole   chan struct{} // closed by end
	broken  chan struct{} // closed by cut
	ends    sync.Once
	cuts    sync.Once

	mu sync.Mutex
	// nil once the handler is about to return; guarded by mu, which is held while it is written to
	w http.ResponseWriter
}

func newHeldStream(w http.ResponseWriter) *heldStream {
	s := &heldStream{control: http.NewResponseController(w), whole: make(chan struct{}), broken: make(chan struct{}),
		w: w}
	s.control.SetWriteDeadline(time.Time{}) // it would end the stream, and each write sets its own
	return s
}

func (s *heldStream) end() { s.ends.Do(func() { close(s.whole) }) }
func (s *heldStream) cut() { s.cuts.Do(func() { close(s.broken) }) }

// wait returns when the stream is over, whole or not; nobody writes to it any more then.
func (s *heldStream) wait(gone <-chan struct{}) (whole bool) {
	select {
	case <-s.whole:
		whole = true
	case <-s.broken:
	case <-gone:
	}
	if !whole {
		s.control.SetWriteDeadline(time.Unix(1, 0)) // ends a write under way
	}
	s.mu.Lock()
	s.w = nil
	s.mu.Unlock()
	return whole
}

// write writes all of b; the client may take nothing for the time-out, 0 is for ever.
func (s *heldStream) write(b [][]byte, timeout time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return net.ErrClosed
	}
	for _, p := range b {
		for len(p) > 0 {
			piece := p[:min(len(p), WriteStep)]
			if p = p[len(piece):]; timeout > 0 {
				s.control.SetWriteDeadline(time.Now().Add(timeout))
			}
			if _, err := s.w.Write(piece); err != nil {
				return err
			}
		}
	}
	err := s.control.Flush()
	if timeout > 0 && err == nil {
		s.control.SetWriteDeadline(time.Time{})
	}
	return err
}
