// What the host wrote to its log.

package harness

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// LogBuffer keeps what the host wrote to stderr. It is safe for concurrent use.
type LogBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	Grown chan struct{}
}

// Write appends p, and wakes who awaits something in it.
func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.Grown)
	l.Grown = make(chan struct{})
	return l.b.Write(p)
}

// String is all that was written so far.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// End is the last part of the log, as much as somebody may want to read.
func (l *LogBuffer) End() string {
	text := l.String()
	return text[max(0, len(text)-32<<10):]
}

// Await returns when the log contains text.
func (l *LogBuffer) Await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		found, grown := strings.Contains(l.b.String(), text), l.Grown
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("the log never said %q:\n%s", text, l.End())
		}
	}
}
