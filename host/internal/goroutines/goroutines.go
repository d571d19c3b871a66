// Package goroutines tells whether a package's tests leave any behind.
package goroutines

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long those that are about to end may take.
const patience = 5 * time.Second

// Main runs a package's tests, and gives the exit status: 1 as well if goroutines of the package do not end, whose
// stacks go to standard error then. of is what stands in their stacks, such as "/hub.". That of workers' spawner is
// meant to live for ever. It is called once, from TestMain.
func Main(m *testing.M, of string) (code int) {
	code = m.Run()
	if left := left(of, patience); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines of this package are left:\n"+left)
		code = 1
	}
	return code
}

// left are the stacks of those that are still there after so long.
func left(of string, patience time.Duration) (stacks string) {
	buf := make([]byte, 1<<20)
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		stacks = ""
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, of) && !strings.Contains(stack, ".TestMain(") &&
				!strings.Contains(stack, "process.init.func") {
				stacks += stack + "\n\n"
			}
		}
		if stacks == "" || time.Now().After(until) {
			return stacks
		}
	}
}
