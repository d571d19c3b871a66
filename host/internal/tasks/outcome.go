// outcome.go: what becomes of a task when an attempt is over.

package tasks

import (
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// fate is what becomes of a task.
type fate int

const (
	done     fate = iota
	released      // it comes again when its worker wants it
	retried       // it comes again after the queue's pause
	returned      // it comes again at once: nobody is to blame
	buried        // it lies with the failed ones
)

// String is for logs and metrics.
func (f fate) String() string {
	return [...]string{"done", "released", "retry", "returned", "failed"}[f]
}

// facts are what is known at an attempt's end.
type facts struct {
	settle        *protocol.Settle  // that took effect; nil: none
	failure       *protocol.Failure // nil: it went well
	unkept        error             // what it asked for did not take effect
	attempt, most int
}

// verdict is what follows.
type verdict struct {
	how           fate
	delay         time.Duration // of a release
	value         protocol.Value
	reason, trace string
}

// outcome decides.
func outcome(f facts) verdict {
	if f.failure != nil {
		switch f.failure.Kind {
		case protocol.FailedDrained, protocol.FailedCancelled, protocol.FailedStopping, protocol.FailedNoWorker,
			protocol.FailedQueueFull, protocol.FailedQueueTimeout:
			return verdict{how: returned, reason: f.failure.Error()}
		}
	}
	v := verdict{how: done}
	if s := f.settle; s != nil {
		v.reason, v.trace = s.Reason, s.Trace
		switch s.How {
		case protocol.TaskDone:
			v.value = s.Value
		case protocol.TaskReleased:
			v.how, v.delay = released, time.Duration(s.Delay)*time.Millisecond
		case protocol.TaskFailed:
			v.how = retried
		case protocol.TaskGivenUp:
			v.how = buried
		}
	}
	switch {
	case f.unkept != nil:
		v = verdict{how: retried, reason: "what it asked for could not be carried out: " + f.unkept.Error()}
	case f.failure != nil && v.how == done:
		v = verdict{how: retried, reason: f.failure.Error()}
	}
	if v.how == retried && f.attempt >= f.most {
		v.how = buried
	}
	if v.how == buried && v.reason == "" {
		v.reason = "its handler gave it up, and no reason"
	}
	return v
}

// pause is how long a task waits before its next attempt, after that many.
func pause(backoff []time.Duration, attempts int) time.Duration {
	if len(backoff) == 0 {
		return 0
	}
	return backoff[min(max(attempts, 1), len(backoff))-1]
}
