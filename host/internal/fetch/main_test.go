package fetch

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails on a leaked goroutine.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && leaked != "" {
		fmt.Fprintln(os.Stderr, "goroutines of this package are left:\n"+leaked)
		code = 1
	}
	os.Exit(code)
}

func leakedGoroutines() (leaked string) {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		leaked = ""
		for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "/fetch.") && !strings.Contains(stack, "fetch.TestMain") {
				leaked += stack + "\n\n"
			}
		}
		if leaked == "" {
			return ""
		}
	}
	return leaked
}
