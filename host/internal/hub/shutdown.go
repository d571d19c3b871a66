// Taking leave of many: at the host's stop, or when a listener is closed.

package hub

import (
	"context"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const goingReason = "the server is going away"

// shutdown is one under way.
type shutdown struct {
	of    func(*Connection) bool
	left  map[*Connection]struct{} // guarded by hub.mu
	empty chan struct{}            // closed when nobody is left
}

// take notes a connection that has to go. h.mu is held.
func (s *shutdown) take(c *Connection) {
	if s.of == nil || s.of(c) {
		s.left[c] = struct{}{}
	}
}

// drop notes that one has gone. h.mu is held.
func (s *shutdown) drop(c *Connection) {
	if _, ok := s.left[c]; !ok {
		return
	}
	delete(s.left, c)
	if len(s.left) == 0 {
		s.finish()
	}
}

func (s *shutdown) finish() {
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

// Shutdown closes, with 1001, the connections that of chooses (nil: all), evenly spread over spread, and those that
// open meanwhile. What their clients have sent is handled first, so that they get the answers; after half of the time
// that is left until ctx's deadline it is handled without them. It returns when all their events, CLOSE included, have
// been handled, or ctx is done; then those left are aborted, and left says how many they are. of may ask a connection
// for its id, card and terms, and nothing else of the hub.
func (h *Hub) Shutdown(ctx context.Context, spread time.Duration, of func(*Connection) bool) (left int) {
	s := &shutdown{of: of, left: map[*Connection]struct{}{}, empty: make(chan struct{})}
	h.mu.Lock()
	var open []*Connection
	for _, c := range h.all {
		s.take(c)
		if _, ok := s.left[c]; ok {
			open = append(open, c)
		}
	}
	for c := range h.away {
		s.take(c)
	}
	if len(s.left) == 0 {
		s.finish()
	}
	h.stops = append(h.stops, s)
	h.mu.Unlock()

	s.spread(ctx, open, spread)
	var late <-chan time.Time
	if deadline, ok := ctx.Deadline(); ok {
		timer := time.NewTimer(time.Until(deadline) / 2)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-s.empty:
	case <-ctx.Done():
	case <-late:
		h.mu.Lock()
		slow := s.rest()
		h.mu.Unlock()
		for _, c := range slow {
			c.hangup(protocol.CloseGoing, goingReason, true)
		}
		select {
		case <-s.empty:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	rest := s.rest()
	for i := range h.stops {
		if h.stops[i] == s {
			h.stops = append(h.stops[:i:i], h.stops[i+1:]...)
			break
		}
	}
	h.mu.Unlock()
	for _, c := range rest {
		c.peer.Abort()
	}
	h.slow.Flush()
	return len(rest)
}

// rest is who has not gone. h.mu is held.
func (s *shutdown) rest() []*Connection {
	rest := make([]*Connection, 0, len(s.left))
	for c := range s.left {
		rest = append(rest, c)
	}
	return rest
}

// spread takes leave, evenly over that time, at most a hundred times a second: the first at once, so that a few do not
// take long.
func (s *shutdown) spread(ctx context.Context, all []*Connection, over time.Duration) {
	const tick = 10 * time.Millisecond
	start := time.Now()
	for i, c := range all {
		due := time.Duration(float64(over) * float64(i) / float64(len(all)))
		if wait := due - time.Since(start); wait >= tick {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-s.empty:
			case <-ctx.Done():
				t.Stop()
				return
			}
			t.Stop()
		}
		c.Finish(protocol.CloseGoing, goingReason)
	}
}
