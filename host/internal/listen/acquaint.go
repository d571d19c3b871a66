// What a listener does not know yet: while no worker of a pool has ever been ready, nobody can tell whether its workers handle connections.

package listen

import "time"

// acquainted waits until it is known which events the pool's workers handle, and then says whether there are any. known is false if that takes longer than
// handshake_timeout, or if the client, which gone tells of, or the listener ends before. Normally it is known, and nothing waits.
func (s *Server) acquainted(gone <-chan struct{}) (handles, known bool) {
	var late <-chan time.Time
	for first := true; ; first = false {
		under := s.terms.Load()
		traits := under.backend.Traits()
		if traits.Awaited == nil {
			return traits.Events.Any(), true
		}
		if limit := under.sockets.HandshakeTimeout; first && limit > 0 {
			timer := time.NewTimer(limit)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-traits.Awaited: // or another pool has taken its place
		case <-gone:
			return false, false
		case <-s.ending:
			return false, false
		case <-late:
			return false, false
		}
	}
}
