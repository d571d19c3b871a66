// Where a worker's code stands: asked of the worker with a signal if it answers that, and of the kernel if it does
// not.

package workers

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	backtraceFeature = "backtrace"
	// backtraceTimeout is how long a worker may take to answer; after it, it is stuck in a call (SPEC.md §8.4).
	backtraceTimeout = 200 * time.Millisecond
)

// backtrace is a question for one. It is safe for concurrent use.
type backtrace struct {
	turn   sync.Mutex                  // held by whoever asks
	answer atomic.Pointer[chan string] // where the answer goes; nil if nobody waits for one
}

// whereabouts asks where the worker's code stands, and returns it as key and value for the log: backtrace, or stuck
// with what the kernel says of the process. It waits for backtraceTimeout at the most. The signal may cut short a call
// that waits, in healthy code as well.
func (w *worker) whereabouts() []any {
	unknown := w.gen.settings.Untraced
	if w.offer.ready.Has(backtraceFeature) {
		w.backtrace.turn.Lock() // one question at a time, so that each answer has its question
		defer w.backtrace.turn.Unlock()
		answer := make(chan string, 1)
		w.backtrace.answer.Store(&answer)
		defer w.backtrace.answer.Store(nil)
		if w.process.AskBacktrace(w.offer.ready.PID) {
			timer := time.NewTimer(backtraceTimeout)
			defer timer.Stop()
			select {
			case text := <-answer:
				return []any{"backtrace", text}
			case <-w.end.exited:
				return []any{"backtrace", "none: the worker ended meanwhile"}
			case <-timer.C:
				unknown = "in a call that does not return; no backtrace within " + backtraceTimeout.String()
			}
		} else {
			unknown = "the process that READY named can't be signalled"
		}
	}
	if state := w.process.KernelState(); state != "" {
		unknown += "; " + state
	}
	return []any{"stuck", unknown}
}

// takeBacktrace hands a LOG's context to whoever asked for a backtrace, and says whether it was one.
func (w *worker) takeBacktrace(context any) bool {
	fields, ok := context.(map[string]any)
	if !ok {
		return false
	}
	text, ok := fields["backtrace"].(string)
	if !ok {
		return false
	}
	answer := w.backtrace.answer.Swap(nil)
	if answer == nil {
		return false // nobody asked, or it comes too late: it is logged as any entry
	}
	*answer <- excerpt(text)
	return true
}
