// A worker's states and the moves between them.

package workers

// State is where a worker is in its life; doc.go draws the moves.
type State int

// The states. A slot without a worker is BackingOff, or Starting while the first worker of its generation is.
const (
	Starting State = iota
	Idle
	Busy
	Draining
	Stopped
	BackingOff
	Parked
)

var stateNames = [...]string{"starting", "idle", "busy", "draining", "stopped", "backing-off", "parked"}

// String gives the name that logs, status and metrics use.
func (s State) String() string { return stateNames[s] }

// stateMoves are those that doc.go draws.
var stateMoves = moves[State]{
	Starting:   {Idle, Draining, Stopped},
	Idle:       {Busy, Draining, Stopped},
	Busy:       {Idle, Draining, Stopped},
	Draining:   {Stopped, Parked},
	Parked:     {Idle, Draining, Stopped},
	Stopped:    {},
	BackingOff: {},
}

func (s *State) moveTo(next State) { stateMoves.move(s, next) }
