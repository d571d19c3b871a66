package goroutines

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m, "/goroutines.")) }

func waitsHere(begun, over chan struct{}) {
	close(begun)
	<-over
}

func TestOneThatDoesNotEndIsFoundAndOneThatEndsIsNot(t *testing.T) {
	begun, over := make(chan struct{}), make(chan struct{})
	go waitsHere(begun, over)
	<-begun // until then the race detector's stack has another name
	if stacks := left("goroutines.waitsHere(", 0); !strings.Contains(stacks, "goroutines.waitsHere(") {
		t.Errorf("it is not found: %q", stacks)
	}
	time.AfterFunc(10*time.Millisecond, func() { close(over) })
	if stacks := left("goroutines.waitsHere(", patience); stacks != "" {
		t.Errorf("it has ended: %s", stacks)
	}
}
