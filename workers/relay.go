// What programs beside the workers need of how workers are looked after: their words in the log, how long they wait
// when they fail, and how much memory they have.

package workers

import (
	"io"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers/internal/process"
)

// Relay has what a program prints come into log as what a worker prints does, until r ends: lines, with the stack
// trace behind one in its entry, at the level that they name, printable, and no more than rate bytes a second in the
// long run; less than 0 is without a bound. It returns the last 4 KiB that were printed, printable. One goroutine may
// relay one reader; several may relay to one log.
func Relay(r io.Reader, log hclog.Logger, rate int64) (tail string) {
	w := &worker{voice: voice{log: log, rate: rate, meter: new(meter)}} // all that a printed entry needs of one
	var p printed
	p.start(w)
	p.read(r)
	w.voice.tell()
	return w.tail.String()
}

// Backoff is how long to wait before a program is started anew that has failed n times in a row, from 1: 100 ms
// doubling to 10 s, less up to a fifth, so that several do not march in step. It is safe for concurrent use.
func Backoff(n int) time.Duration { return backoffDelay(n) }

// FamilyMemory is the resident memory of a process and all that descend from it, in bytes; pages that they share count
// for each. 0 is where it can't be known. It is safe for concurrent use.
func FamilyMemory(pid int) int64 { return process.FamilyMemory(pid) }
