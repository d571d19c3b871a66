// outcome.go has the names of how a command can end: in the last event of an account, in an answer that is no success,
// and in the table of exit statuses.

package control

import (
	"errors"
	"net/http"
)

// Outcome says how it went, by its cause.
type Outcome string

// The outcomes. The command shows them with their exit statuses: `host help exit`.
const (
	Done Outcome = "done"
	// the new code does not start, and nothing was changed, or all was put back; or another failure
	NotDone Outcome = "failed"
	Misused Outcome = "misuse" // the command line, or a request to the API, is wrong
	// the new code had clients, and is turned back by evidence: of a canary, or of a command of `after`
	TurnedBack Outcome = "turned_back"
	Absent     Outcome = "no_host"     // no host answers
	Forbidden  Outcome = "not_allowed" // by the host, or by the system
	// the configuration, or a file that it names, has a mistake or can't be applied
	BadConfig Outcome = "bad_config"
	// a reload failed, and what was replaced could not be put back: old and new code run side by side
	HalfWay      Outcome = "half_way"
	WasAborted   Outcome = "aborted"      // by somebody
	RequestsCut  Outcome = "requests_cut" // it is done, but --strict was asked for, and requests were cut
	HostStopped  Outcome = "host_stopped" // the host stops, or went away before the end
	WasInterrupt Outcome = "interrupted"  // the command was, by a signal; what it asked for goes on
)

// ErrStopping says that the host stops, so that nothing new begins.
var ErrStopping = errors.New("the host is stopping")

// outcomeOf is the outcome of an answer with an error.
func outcomeOf(status int, err error) Outcome {
	switch {
	case errors.Is(err, ErrStopping):
		return HostStopped
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return Forbidden
	case status == http.StatusConflict || status >= http.StatusInternalServerError:
		return NotDone
	}
	return Misused
}
