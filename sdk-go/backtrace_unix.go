//go:build unix

// Where the handlers stand, told when the host asks by SIGUSR2 (SPEC.md §8.4).

package sdk

import (
	"bytes"
	"os"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"
)

const (
	backtraceFeature = "backtrace"
	longestBacktrace = 48 << 10
)

// answerBacktraces answers SIGUSR2 with where the handlers stand (SPEC.md §8.4), for as long as the process lives:
// without it the signal would kill the process.
func (l *link) answerBacktraces() (features []string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGUSR2)
	go func() { // ends with the process
		for range asked {
			// if the link is broken, all else says so
			l.sendLog("warn", 0, "backtrace", map[string]any{"backtrace": handlerStacks()})
		}
	}()
	return []string{backtraceFeature}
}

// handlerStacks are the stacks of the goroutines that have a request.
func handlerStacks() string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var kept []byte
	for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("sdk-go.(*stream).run(")) {
			kept = append(append(kept, stack...), '\n')
		}
	}
	if len(kept) == 0 {
		return "no handler runs"
	}
	if len(kept) > longestBacktrace {
		kept = append(kept[:longestBacktrace], "…"...)
	}
	return string(kept)
}
