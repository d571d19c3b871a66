// status.go: what operators are told of dials.

package dial

import (
	"cmp"
	"slices"
	"time"

	"github.com/workerhost/workerhost/host/internal/redact"
)

// State is what operators are told of a dial.
type State struct {
	Name       string
	Pool       string
	URL        string // without secrets
	Protocol   string
	Configured bool // it stands in the configuration
	// Phase is "dialing", "open" or "waiting": for its next try, or for the host to begin.
	Phase      string
	Connection string        // its id, while it is open
	Reconnects int64         // how many connections there were before
	Failures   int           // tries since it was open last
	Wait       time.Duration // until the next try, while it waits
	Error      string        // why the last try failed; "" if it did not
}

// List tells of all dials, by their names.
func (r *Room) List() []State {
	r.mu.Lock()
	all := make([]State, 0, len(r.dials))
	for _, d := range r.dials {
		s := State{Name: d.name, Pool: d.order.Owner.Pool, URL: d.order.shown(), Protocol: d.order.spoken(),
			Configured: d.fixed, Reconnects: d.stood, Error: redact.Text(d.why)}
		switch d.phase {
		case standing:
			s.Phase, s.Connection = "open", d.connection.ID()
		case dialing:
			s.Phase, s.Failures = "dialing", d.failed
		default:
			s.Phase, s.Failures, s.Wait = "waiting", d.failed, max(0, time.Until(d.due))
		}
		all = append(all, s)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b State) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
