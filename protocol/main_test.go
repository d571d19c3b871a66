package protocol

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails when a goroutine outlives the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	before := runtime.NumGoroutine()
	status := m.Run()
	fuzzing := flag.Lookup("test.fuzz").Value.String() != ""
	for deadline := time.Now().Add(5 * time.Second); status == 0 && !fuzzing && runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "goroutines outlive the tests:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			status = 1
		}
		time.Sleep(time.Millisecond)
	}
	os.Exit(status)
}
