// Where a worker's code stands: asked of the worker with a signal if it answers that, and of the kernel if it does
// not.

package workers

import (
	"slices"
	"sync"
	"time"
)

const (
	backtraceFeature = "backtrace"
	// backtraceTimeout is how long a worker may take to answer; after it, it is stuck in a call (SPEC.md §8.4).
	backtraceTimeout = 200 * time.Millisecond
	// untraced is what Settings.Untraced is by default.
	untraced = "the worker gives no backtraces (with PHP: install ext-pcntl, and leave SIGUSR2 to it)"
)

// inquiry is what a worker is asked about its code: where it stands, and profiles. It is safe for concurrent use.
type inquiry struct {
	mu sync.Mutex
	// guarded by mu
	waiting   []chan stand // for where it stands, each with room for that
	stray     bool         // nobody waits for an answer that may come still
	profiling *profiling   // nil: there is none
}

// stand is where a worker's code stands.
type stand struct {
	stack  string // of the code at hand
	others string // a line for each of the other requests that it has, if it can tell
}

// awaits has whoever asks now wait for the next answer. A question that is under way already asks for all.
func (i *inquiry) awaits() (answer chan stand, asks bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	answer = make(chan stand, 1)
	i.waiting = append(i.waiting, answer)
	return answer, len(i.waiting) == 1
}

// leaves is the end of awaits. What comes later is logged as any entry, or, if it is stray, nowhere.
func (i *inquiry) leaves(answer chan stand, stray bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if at := slices.Index(i.waiting, answer); at >= 0 {
		i.waiting = slices.Delete(i.waiting, at, at+1)
		i.stray = stray && len(i.waiting) == 0
	}
}

// whereabouts asks where the worker's code stands, and returns it as keys and values for the log: backtrace, or stuck
// with what the kernel says of the process, and then what else there is. It waits for backtraceTimeout at the most.
// The signal may cut short a call that waits, in healthy code as well.
func (w *worker) whereabouts() []any {
	unknown := w.gen.settings.Untraced
	if w.offer.ready.Has(backtraceFeature) {
		answer, asks := w.inquiry.awaits()
		defer w.inquiry.leaves(answer, false)
		if !asks || w.process.AskBacktrace(w.offer.ready.PID) {
			timer := time.NewTimer(backtraceTimeout)
			defer timer.Stop()
			select {
			case at := <-answer:
				if at.others != "" {
					return []any{"backtrace", at.stack, "requests_at", at.others}
				}
				return []any{"backtrace", at.stack}
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
	others, _ := fields["requests"].(string)
	i := &w.inquiry
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.waiting) == 0 { // nobody asked, or it comes too late: it is logged as any entry
		stray := i.stray
		i.stray = false
		return stray
	}
	for _, answer := range i.waiting {
		answer <- stand{stack: excerpt(text), others: excerpt(others)}
	}
	i.waiting = nil
	return true
}
