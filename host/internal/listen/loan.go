// Loans: the memory of clients' large messages. All clients together get so much of it, or whoever opens very many connections, and begins a message on each,
// would fill the host's.

package listen

import (
	"sync"

	"github.com/workerhost/workerhost/host/internal/hub"
	"github.com/workerhost/workerhost/protocol"
)

// loan is what a connection's message at hand has been lent of the memory that bodies and messages share, beyond the ownMemory that every connection has.
// It is the reader's; what is on loan is given back by repay or by the function that handOver returns.
type loan struct {
	spool *Spool // the lender; nil lends whatever is asked for
	lent  int64
}

// lendStep is how much is lent at a time.
const lendStep = 64 << 10

// outOfMemory ends a connection whose message had no room.
var outOfMemory = &breach{protocol.CloseTryAgain, "no memory for a large message, try again later"}

// wholeLoans are those of whole messages, which workers will handle: whoever lacks memory can wait for them.
type wholeLoans struct {
	mu     sync.Mutex
	repaid sync.Cond // its L is set under mu
	bytes  int64     // guarded by mu
}

// lendOrWait lends n bytes, and waits for them while whole messages have some. It says false if all is with messages that have not ended: waiting for their
// clients could be for ever.
func (s *Spool) lendOrWait(n int64) bool {
	if s.lend(n) {
		return true
	}
	w := &s.whole
	w.mu.Lock()
	defer w.mu.Unlock()
	w.repaid.L = &w.mu
	for !s.lend(n) {
		if w.bytes == 0 {
			return false
		}
		w.repaid.Wait()
	}
	return true
}

// entrust counts n bytes as a whole message's. What it returns gives them back.
func (s *Spool) entrust(n int64) (repay func()) {
	w := &s.whole
	w.mu.Lock()
	w.bytes += n
	w.mu.Unlock()
	return func() {
		s.repay(n)
		w.mu.Lock()
		w.bytes -= n
		w.repaid.Broadcast()
		w.mu.Unlock()
	}
}

func stepsFor(size int) int64 {
	return (max(0, int64(size)-ownMemory) + lendStep - 1) / lendStep * lendStep
}

// cover sees to it that size bytes are on loan or the connection's own. It waits while whole messages have what there is to lend, so that a client is slowed
// down like one whose inbox is full. If there is no more to lend it returns outOfMemory.
func (l *loan) cover(size int) error {
	more := stepsFor(size) - l.lent
	if more <= 0 || l.spool == nil {
		return nil
	}
	if !l.spool.lendOrWait(more) {
		return outOfMemory
	}
	l.lent += more
	return nil
}

// trim gives back what size bytes don't need.
func (l *loan) trim(size int) {
	if less := l.lent - stepsFor(size); less > 0 {
		l.spool.repay(less)
		l.lent -= less
	}
}

// repay gives all of it back.
func (l *loan) repay() { l.trim(0) }

// handOver makes the loan the caller's, for a message of so many bytes: it calls repay when the message is no more. A small one needs none, and repay is nil.
func (l *loan) handOver(size int) (repay func()) {
	if size <= ownMemory {
		l.repay()
	}
	n, spool := l.lent, l.spool
	if n == 0 {
		return nil
	}
	l.lent = 0
	return spool.entrust(n)
}

// tellBreach logs that the client of a connection broke a limit: each if somebody debugs, and now and then if the limit is the host's own.
func (s *Server) tellBreach(kind string, link *hub.Connection, wrong *breach) {
	s.log.Debug("a "+kind+" is closed for what its client sent", "connection", link.ID(), "code", wrong.code, "reason", wrong.reason)
	if wrong == outOfMemory {
		s.spool.noMemory.Warn(s.log, "the memory for large messages is used up: a connection is closed; lower max_message or max_connections_per_address, or look for who sends them",
			"connection", link.ID(), "remote", link.Card().Remote, "memory", memoryBudget)
	}
}
