package workers

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary a worker, a host or a reaper as well, when its first argument says so; and it fails
// on a leaked goroutine.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "worker":
			os.Exit(runTestWorker(os.Args[2:]))
		case "host":
			os.Exit(runTestHost())
		case "reaper":
			RunReaper(os.Stdin)
			os.Exit(0)
		}
	}
	// The race detector has a program wait for a second at its exit: the workers, not this one, which has read it.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && leaked != "" {
		fmt.Fprintln(os.Stderr, "goroutines of this package are left:\n"+leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines gives the stacks of this package's goroutines that do not end. The spawner is meant to live for
// ever.
func leakedGoroutines() (leaked string) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		leaked = ""
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "workerhost/workers") && !strings.Contains(stack, "workers.TestMain") &&
				!strings.Contains(stack, "process.init.func") {
				leaked += stack + "\n\n"
			}
		}
		if leaked == "" {
			return ""
		}
	}
	return leaked
}
