// counts.go: what was asked, for metrics.

package store

import (
	"maps"
	"sync"
)

// Call is a kind of calls that are counted.
type Call struct {
	Store   string // its name if it is declared, "undeclared" for all others; "" for locks
	Method  string
	Outcome string // "done", or the name of the code
}

type counts struct {
	mu    sync.Mutex
	calls map[Call]uint64
}

func (c *counts) add(one Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[Call]uint64{}
	}
	c.calls[one]++
}

// Counts are what workers of a realm have asked for, and what they have.
type Counts struct {
	Calls map[Call]uint64 // that were answered
	Bound int             // locks that end with a worker of this host
}

// Counts gives them.
func (r *Room) Counts() Counts {
	r.counts.mu.Lock()
	defer r.counts.mu.Unlock()
	return Counts{maps.Clone(r.counts.calls), r.bound()}
}
