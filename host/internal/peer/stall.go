// Write time-outs: a write fails when the peer has taken nothing for that long, however long the whole of it takes.

package peer

import "time"

// Stall watches one write. What a write took before its deadline does not say when: so deadlines strike in small
// steps, and the time-out is kept within one.
type Stall struct {
	timeout time.Duration
	since   time.Time // when the peer took something last
}

// NewStall begins to watch a write; without a timeout there is nothing to watch.
func NewStall(timeout time.Duration) Stall { return Stall{timeout: timeout, since: time.Now()} }

// Watched says whether there is a time-out.
func (s *Stall) Watched() bool { return s.timeout > 0 }

// StallStep is how long a try may take.
func StallStep(timeout time.Duration) time.Duration { return timeout / 8 }

// More is called when a deadline has struck; took says whether the peer has taken something until then. It gives the
// next deadline, or says false if the time is up.
func (s *Stall) More(took bool) (deadline time.Time, ok bool) {
	now := time.Now()
	if took {
		s.since = now
	}
	left := s.timeout - now.Sub(s.since)
	return now.Add(min(left, StallStep(s.timeout))), left > 0
}

// WriteStep is how much is written to a client at a time: the worker's window and the write time-out follow in these
// steps.
const WriteStep = 64 << 10
