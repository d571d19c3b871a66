// The account of a roll: its events, which any number of clients can follow while it goes on.

package workers

import (
	"context"
	"sync"
	"time"
)

// Event is one line of a roll's account. Kind says which of the fields count.
type Event struct {
	Kind       EventKind     `json:"event"`
	Pool       string        `json:"pool"`
	Generation uint64        `json:"generation,omitempty"`
	Slot       int           `json:"slot"`
	OldPID     int           `json:"old_pid,omitempty"`
	NewPID     int           `json:"new_pid,omitempty"`
	Boot       time.Duration `json:"boot_ns,omitempty"`
	Drained    int           `json:"drained"`          // requests in flight that ended well
	Cut        []string      `json:"cut,omitempty"`    // requests that were cut at drain_timeout
	Again      string        `json:"again,omitempty"`  // what killed a first new worker from outside, before this one: "signal: killed"
	Parked     bool          `json:"parked,omitempty"` // the new worker was parked, and did not have to start
	Directory  string        `json:"directory,omitempty"`
	Pinned     bool          `json:"pinned,omitempty"`
	Error      string        `json:"error,omitempty"`
	Cause      error         `json:"-"`                  // what Error says, for errors.Is
	Workers    int           `json:"workers,omitempty"`  // in the pool
	Replaced   int           `json:"replaced,omitempty"` // of them
}

// EventKind names an [Event].
type EventKind string

// The kinds of [Event]: a roll begins with EventBegun, has EventReplaced for each slot, and ends with EventCompleted
// or EventFailed.
const (
	EventBegun EventKind = "begun"
	// it waits: Slot, and NewPID, Boot, Again of the first new worker if there is one; see [Pool.Stage]
	EventStaged    EventKind = "staged"
	EventReplaced  EventKind = "replaced"
	EventRestored  EventKind = "restored" // a slot was put back on the release before
	EventRemoved   EventKind = "removed"  // a slot that the settings have no more is gone; OldPID, Drained, Cut
	EventCompleted EventKind = "completed"
	EventFailed    EventKind = "failed"
)

// Roll is a reload under way, or done. It is safe for concurrent use.
type Roll struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{} // closed and made anew with each event
	ended  bool

	aborted chan struct{} // closed by abort
	abort   func()

	gate     *gate       // nil unless it is staged
	undoes   *Roll       // that it leads back from; nil for all others
	reverts  bool        // it leads back as Revert asked; fixed when it begins
	from, to *generation // fixed when it has ended
}

func newRoll() *Roll {
	r := &Roll{more: make(chan struct{}), aborted: make(chan struct{})}
	r.abort = sync.OnceFunc(func() { close(r.aborted) })
	return r
}

func (r *Roll) isAborted() bool {
	select {
	case <-r.aborted:
		return true
	default:
		return false
	}
}

func (r *Roll) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	r.ended = e.Kind == EventCompleted || e.Kind == EventFailed
	close(r.more)
	r.more = make(chan struct{})
}

// Follow calls each with every event from the beginning, and returns after the last one, or when ctx ends or each
// fails, with that error. It does not hold the roll up, and leaving does not end it.
func (r *Roll) Follow(ctx context.Context, each func(Event) error) error {
	for i := 0; ; {
		r.mu.Lock()
		fresh, more, ended := r.events[i:], r.more, r.ended
		r.mu.Unlock()
		for _, e := range fresh {
			if err := each(e); err != nil {
				return err
			}
		}
		if i += len(fresh); ended {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
