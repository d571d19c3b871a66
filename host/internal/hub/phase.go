// Where a connection is: in its life, with its events, and with its client. Each of the three is owned by the
// connection, guarded by its mu, and changed by move alone.

package hub

import "fmt"

// life is what is still to come of the client.
type life uint8

const (
	staying   life = iota // messages may come
	finishing             // no more of them: it is hung up, as ending says, when those there are have been handled
	hungUp                // leave will be taken when all has been written, or has been
	gone                  // the socket has ended; its CLOSE may be to come
	over                  // no event is to come
)

// turn is who has the connection's events.
type turn uint8

const (
	resting    turn = iota // nobody
	pumping                // a goroutine in pump, which looks for the next one
	submitting             // a goroutine in pump, whose Submit has not returned
	awaiting               // the backend alone: Submit has returned, or it is an OPEN
)

// line is how the hub stands with the client's end.
type line uint8

const (
	unopened line = iota // OPEN is not done, or was refused
	accepted             // the client does not know it yet, so what is sent to it waits
	ready                // nobody writes
	writing              // somebody has the writer's role: calls TryWrite, Write or End
	ended                // that was End, after which nobody has the role again
	cut                  // a write failed, and the peer was aborted
)

// custody is whose the connection is while another host takes over. departure.go changes it.
type custody uint8

const (
	ours   custody = iota
	packed         // the hub is frozen: nothing of it changes but what its client has sent already
	theirs         // another host's hub has it
)

// handling is which event of it is under way, for whoever takes it over meanwhile.
type handling uint8

const (
	handlingNone handling = iota
	handlingOpen
	handlingMessage
	handlingBuffer
	handlingClose
)

// moves are the legal ones, by the phase they begin in: a bit for each that may follow.
type moves [8]uint8

var (
	lifeMoves = moves{
		staying:   1<<finishing | 1<<hungUp | 1<<gone | 1<<over,
		finishing: 1<<hungUp | 1<<gone | 1<<over,
		hungUp:    1<<gone | 1<<over,
		gone:      1 << over,
	}
	turnMoves = moves{
		resting:    1<<pumping | 1<<awaiting,
		pumping:    1<<submitting | 1<<resting,
		submitting: 1<<pumping | 1<<awaiting,
		awaiting:   1 << resting,
	}
	lineMoves = moves{
		unopened: 1 << accepted,
		accepted: 1 << writing,
		ready:    1 << writing,
		writing:  1<<ready | 1<<ended | 1<<cut,
	}
)

// move changes a phase. It panics on an illegal move: that would be a bug of ours, and going on would hide it.
func move[P life | turn | line](now *P, next P, legal *moves) {
	if legal[*now&7]>>next&1 == 0 {
		illegal(*now, next)
	}
	*now = next
}

func illegal(now, next any) { panic(fmt.Sprintf("hub: illegal move from %v to %v", now, next)) }

// String gives the phase's name above.
func (p life) String() string {
	return [...]string{"staying", "finishing", "hungUp", "gone", "over"}[p]
}

// String gives the phase's name above.
func (p turn) String() string { return [...]string{"resting", "pumping", "submitting", "awaiting"}[p] }

// String gives the phase's name above.
func (p line) String() string {
	return [...]string{"unanswered", "accepted", "ready", "writing", "ended", "cut"}[p]
}
