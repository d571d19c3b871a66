// A worker's states and the moves between them.

package workers

import "fmt"

// State is where a worker is in its life; doc.go draws the moves.
type State int

// The states. A slot without a worker is BackingOff.
const (
	Starting State = iota
	Idle
	Busy
	Draining
	Stopped
	BackingOff
)

var stateNames = [...]string{"starting", "idle", "busy", "draining", "stopped", "backing-off"}

// String gives the name that logs, status and metrics use.
func (s State) String() string { return stateNames[s] }

// legal[from] lists the moves that doc.go draws.
var legal = [...][]State{
	Starting:   {Idle, Draining, Stopped},
	Idle:       {Busy, Draining, Stopped},
	Busy:       {Idle, Draining, Stopped},
	Draining:   {Stopped},
	Stopped:    {},
	BackingOff: {},
}

// moveTo panics on an illegal move: it would be a bug of ours, and going on would hide it.
func (s *State) moveTo(next State) {
	for _, to := range legal[*s] {
		if to == next {
			*s = next
			return
		}
	}
	panic(fmt.Sprintf("workers: illegal move from %s to %s", *s, next))
}
