// Loans: the memory of clients' large messages. All clients together get so much of it, or whoever opens very many
// connections, and begins a message on each, would fill the host's.

package peer

import "github.com/workerhost/workerhost/host/internal/spool"

// loan is what a connection's message at hand has been lent of the memory that bodies and messages share, beyond the
// ownMemory that every connection has. It is the reader's; what is on loan is given back by repay or by the function
// that handOver returns.
type loan struct {
	spool *spool.Spool // the lender; nil lends whatever is asked for
	lent  int64
}

// lendStep is how much is lent at a time.
const lendStep = 64 << 10

// lightSize is how much a message may have for a little more of it to need no loan, however memory grows.
const lightSize = spool.OwnMemory / 2

func stepsFor(size int) int64 {
	return (max(0, int64(size)-spool.OwnMemory) + lendStep - 1) / lendStep * lendStep
}

// cover sees to it that size bytes are on loan or the connection's own. It waits while whole messages have what there
// is to lend, so that a client is slowed down like one whose inbox is full. If there is no more to lend it returns
// outOfMemory.
func (l *loan) cover(size int) error {
	more := stepsFor(size) - l.lent
	if more <= 0 || l.spool == nil {
		return nil
	}
	if !l.spool.LendOrWait(more) {
		return outOfMemory
	}
	l.lent += more
	return nil
}

// trim gives back what size bytes don't need.
func (l *loan) trim(size int) {
	if less := l.lent - stepsFor(size); less > 0 {
		l.spool.Repay(less)
		l.lent -= less
	}
}

// repay gives all of it back.
func (l *loan) repay() { l.trim(0) }

// handOver makes the loan the caller's, for a message of so many bytes: it calls repay when the message is no more. A
// small one needs none, and repay is nil.
func (l *loan) handOver(size int) (repay func()) {
	if size <= spool.OwnMemory {
		l.repay()
	}
	n, spool := l.lent, l.spool
	if n == 0 {
		return nil
	}
	l.lent = 0
	return spool.Entrust(n)
}
