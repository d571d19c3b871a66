// How long a slot waits before its next worker.

package workers

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 10 * time.Second
	respawnGap   = 100 * time.Millisecond // between two replacements in a slot, however healthy they were
)

// backoffDelay is for the nth failure in a row (from 1): 100 ms doubling to 10 s, less up to a fifth, so that slots do
// not march in step.
func backoffDelay(n int) time.Duration {
	d := backoffMost
	if n < 8 {
		d = min(d, backoffFirst<<(n-1))
	}
	return d - time.Duration(rand.Int64N(int64(d)/5))
}
