// What clients complain of while a test goes on, told at its end.

package harness

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// complaints gathers them from any goroutine. Its zero value has none.
type complaints struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

// Report notes what a client has to complain of, and when.
func (c *complaints) Report(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// tell fails the test for each of them, shows the first twenty, and returns how many there are.
func (c *complaints) tell(t *testing.T) int {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, complaint := range c.all {
		if i == 20 {
			t.Errorf("and %d more", len(c.all)-i)
			break
		}
		t.Error(complaint)
	}
	return len(c.all)
}
