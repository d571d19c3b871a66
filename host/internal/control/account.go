// account.go: the story of a reload, written once and followed by any number of clients.

package control

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// Account collects the events of one reload. It is safe for concurrent use.
type Account struct {
	mu     sync.Mutex
	events []Event
	ended  bool
	more   chan struct{} // closed and made anew with each change
}

// NewAccount begins an empty account; whoever writes it calls End.
func NewAccount() *Account { return &Account{more: make(chan struct{})} }

// Add tells of an event, which happens now.
func (a *Account) Add(e Event) {
	e.At = time.Now()
	a.change(func() { a.events = append(a.events, e) })
}

// Events are those so far.
func (a *Account) Events() iter.Seq[Event] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Values(a.events[:len(a.events):len(a.events)])
}

// End says that no event comes any more.
func (a *Account) End() { a.change(func() { a.ended = true }) }

func (a *Account) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	close(a.more)
	a.more = make(chan struct{})
}

// Follow calls each with every event from the first on. It returns nil after the last one, and earlier when ctx ends
// or each fails, with that error. Who leaves early does not end the reload.
func (a *Account) Follow(ctx context.Context, each func(Event) error) error {
	for i := 0; ; {
		a.mu.Lock()
		fresh, more, ended := a.events[i:], a.more, a.ended
		a.mu.Unlock()
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
