// Write time-outs: a write fails when the peer has taken nothing for that long, however long the whole of it takes.

package listen

import "time"

// stall watches one write. What a write took before its deadline does not say when: so deadlines strike in small
// steps, and the time-out is kept within one.
type stall struct {
	timeout time.Duration
	since   time.Time // when the peer took something last
}

// newStall begins to watch a write; without a timeout there is nothing to watch.
func newStall(timeout time.Duration) stall { return stall{timeout: timeout, since: time.Now()} }

// watched says whether there is a time-out.
func (s *stall) watched() bool { return s.timeout > 0 }

// stallStep is how long a try may take.
func stallStep(timeout time.Duration) time.Duration { return timeout / 8 }

// more is called when a deadline has struck; took says whether the peer has taken something until then. It gives the
// next deadline, or says false if the time is up.
func (s *stall) more(took bool) (deadline time.Time, ok bool) {
	now := time.Now()
	if took {
		s.since = now
	}
	left := s.timeout - now.Sub(s.since)
	return now.Add(min(left, stallStep(s.timeout))), left > 0
}

// writeStep is how much is written to a client at a time: the worker's window and the write time-out follow in these
// steps.
const writeStep = 64 << 10
