// What the front answers by itself, counted: no worker has heard of these requests, so no pool counts them.

package listen

import (
	"net/http"
	"sync/atomic"
)

// Refusal is why the front answered in a worker's place.
type Refusal int

// The refusals.
const (
	RefusedMalformed   Refusal = iota // 400, 501: it can't be passed on
	RefusedTooLarge                   // 413
	RefusedTooSlow                    // 408: its body did not come in time
	RefusedRate                       // 429
	RefusedNoRoom                     // 503: the disk for waiting bodies is full
	RefusedConnections                // 503: one connection too many
	RefusedFault                      // 500: of the host itself
	refusals
)

var refusalNames = [refusals]string{"malformed", "too large", "too slow", "rate limit", "no room on disk", "too many connections", "fault of the host"}

// String names the refusal as the access log and the metrics do.
func (r Refusal) String() string { return refusalNames[r] }

// answers are the counts of one listener.
type answers struct {
	refused [refusals]atomic.Uint64
	static  atomic.Uint64
}

// Refused is how many requests the listener answered by itself, by [Refusal.String]; connections that it turned away are among them.
func (s *Server) Refused() map[string]uint64 {
	counts := make(map[string]uint64, refusals)
	for why := range refusals {
		counts[why.String()] = s.answered.refused[why].Load()
	}
	return counts
}

// StaticFiles is how many requests a file of the public folder was the answer to.
func (s *Server) StaticFiles() uint64 { return s.answered.static.Load() }

// refused counts a request that is about to be answered with the status, and names it for the access log.
func (s *Server) refused(w http.ResponseWriter, status int) {
	why := RefusedMalformed
	switch status {
	case 0: // nobody is left to answer
		return
	case http.StatusBadGateway: // the worker's doing, which its pool has counted
		blame(w, "reset by worker")
		return
	case http.StatusRequestEntityTooLarge:
		why = RefusedTooLarge
	case http.StatusRequestTimeout:
		why = RefusedTooSlow
	case http.StatusTooManyRequests:
		why = RefusedRate
	case http.StatusServiceUnavailable:
		why = RefusedNoRoom
	case http.StatusInternalServerError:
		why = RefusedFault
	}
	s.answered.refused[why].Add(1)
	blame(w, why.String())
}

// blame says in the access log why the request has no answer of a worker's.
func blame(w http.ResponseWriter, fault string) {
	if c := recordOf(w); c != nil {
		c.fault = fault
	}
}
