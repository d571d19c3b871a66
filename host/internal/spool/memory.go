// The memory that bodies and messages share, beyond what each client has: very many of them would fill the host's.

package spool

import (
	"sync"

	"github.com/workerhost/workerhost/protocol"
)

// memoryBudget is what all bodies and all clients' messages together may fill of memory, beyond the ownMemory of each:
// thousands of slow clients must not fill it.
const (
	MemoryBudget = 256 << 20
	OwnMemory    = protocol.MaxData
)

// Memory is how many bytes of memory may still be lent.
func (s *Spool) Memory() int64 { return s.spare.Load() }

// LimitMemory has the spool lend n bytes of memory at the most, in place of 256 MiB. It is for before the first is
// lent.
func (s *Spool) LimitMemory(n int64) { s.spare.Store(n) }

// Lend says whether a body or a message may fill n bytes of memory. If so they have to be given back with repay.
func (s *Spool) Lend(n int64) bool {
	if s.spare.Add(-n) >= 0 {
		return true
	}
	s.spare.Add(n)
	return false
}

// Repay gives n bytes back that were lent.
func (s *Spool) Repay(n int64) { s.spare.Add(n) }

// wholeLoans are those of whole messages, which workers will handle: whoever lacks memory can wait for them.
type wholeLoans struct {
	mu     sync.Mutex
	repaid sync.Cond // its L is set under mu
	bytes  int64     // guarded by mu
}

// LendOrWait lends n bytes, and waits for them while whole messages have some. It says false if all is with messages
// that have not ended: waiting for their clients could be for ever.
func (s *Spool) LendOrWait(n int64) bool {
	if s.Lend(n) {
		return true
	}
	w := &s.whole
	w.mu.Lock()
	defer w.mu.Unlock()
	w.repaid.L = &w.mu
	for !s.Lend(n) {
		if w.bytes == 0 {
			return false
		}
		w.repaid.Wait()
	}
	return true
}

// Entrust counts n bytes as a whole message's. What it returns gives them back.
func (s *Spool) Entrust(n int64) (repay func()) {
	w := &s.whole
	w.mu.Lock()
	w.bytes += n
	w.mu.Unlock()
	return func() {
		s.Repay(n)
		w.mu.Lock()
		w.bytes -= n
		w.repaid.Broadcast()
		w.mu.Unlock()
	}
}
