// Sampling: a worker that can say where its code stands (SPEC.md §8.4) is asked that many times a second, which makes
// a profile of it.

package workers

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

const (
	sampleEvery = 10 * time.Millisecond
	otherStacks = "(other stacks)" // for those beyond what a profile may hold
	unendedCall = "(in a call that had not ended)"
)

// samples are the stacks of workers that are sampled at once.
type samples struct {
	mu sync.Mutex
	// guarded by mu
	stacks map[string]int // folded, and how many ticks each has taken
	size   int            // of them, in bytes
	taken  int
	idle   int // ticks without a request
}

// sample asks all of them for so long, or until each is to leave. ctx's end gives its cause.
func (made *Profile) sample(ctx context.Context, all []*worker, lasts time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := samples{stacks: map[string]int{}}
	var each sync.WaitGroup
	for _, w := range all {
		each.Go(func() {
			if err := w.sample(ctx, &s, lasts); err != nil {
				cancel(err) // the others need not go on
			}
		})
	}
	each.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var text bytes.Buffer
	for _, stack := range slices.Sorted(maps.Keys(s.stacks)) {
		fmt.Fprintf(&text, "%s %d\n", stack, s.stacks[stack])
	}
	made.Bytes, made.Samples, made.Idle = text.Bytes(), s.taken, s.idle
	return nil
}

// sample asks one of them. One question is under way at a time: an answer that comes late, since the code was in a
// call that took its time, stands for all of the ticks that have passed meanwhile, and no more signals cut that call
// short.
func (w *worker) sample(ctx context.Context, s *samples, lasts time.Duration) error {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	over := time.NewTimer(lasts)
	defer over.Stop()
	var answer chan stand
	defer func() { w.inquiry.leaves(answer, true) }()
	ticks := 0 // since it was asked
	for {
		select {
		case at := <-answer:
			answer = nil
			s.add(fold(at.stack), ticks)
		case <-tick.C:
			switch ticks++; {
			case w.dispatchState() == Draining:
				return nil
			case answer != nil:
			case len(w.attempts()) == 0:
				s.rest()
			default:
				var asks bool
				ticks = 1
				answer, asks = w.inquiry.awaits()
				if asks && !w.process.AskBacktrace(w.offer.ready.PID) {
					if !w.stays() {
						return nil
					}
					return fmt.Errorf("%s (%s) can't be signalled", w, w.offer.ready.SDK)
				}
			}
		case <-over.C:
			if answer == nil {
				return nil
			}
			timer := time.NewTimer(backtraceTimeout)
			defer timer.Stop()
			select {
			case at := <-answer:
				s.add(fold(at.stack), ticks)
			case <-timer.C:
				s.add(unendedCall, ticks)
			case <-w.end.exited:
			case <-ctx.Done():
			}
			return nil
		case <-w.end.exited:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// stays says whether the worker's process is there, for as long as it may take to know of its end.
func (w *worker) stays() bool {
	timer := time.NewTimer(backtraceTimeout)
	defer timer.Stop()
	select {
	case <-w.end.exited:
		return false
	case <-timer.C:
		return true
	}
}

func (s *samples) add(stack string, ticks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken += ticks
	if s.stacks[stack] == 0 {
		if s.size+len(stack) > protocol.MaxProfile/2 { // counts and line ends are the lesser half
			stack = otherStacks
		}
		s.size += len(stack)
	}
	s.stacks[stack] += ticks
}

func (s *samples) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle++
}

// fold makes a line of a backtrace: the outermost call first, with a semicolon between two.
func fold(backtrace string) string {
	var calls []string
	for line := range strings.SplitSeq(backtrace, "\n") {
		if call := callOf(line); call != "" {
			calls = append(calls, strings.ReplaceAll(call, ";", ":"))
		}
	}
	slices.Reverse(calls)
	return cmp.Or(strings.Join(calls, ";"), "(nowhere)")
}

// phpCall is a line of a backtrace as PHP writes it, "#0 /app/a.php:12 in App\\A->run()".
var phpCall = regexp.MustCompile(`^#\d+ (?:(.*?):\d+|(\[internal function\])) in (.*?)(?:\(\))?$`)

// callOf is what a line of a backtrace is known by: of [phpCall] the function, so that all of its lines count
// together, and for what is only known within its file that as well. Any other line is known as it is.
func callOf(line string) string {
	line = strings.TrimSpace(line)
	part := phpCall.FindStringSubmatch(line)
	if part == nil {
		return line
	}
	file, name := part[1]+part[2], part[3]
	if strings.HasPrefix(name, "{main}") || strings.Contains(name, "{closure") {
		return name + " (" + file + ")"
	}
	return name
}
