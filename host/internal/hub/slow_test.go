package hub

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/workerhost/workerhost/host/internal/quiet"
	"github.com/workerhost/workerhost/protocol"
)

func TestABroadcastToManyStuckClientsWarnsOnceAndCountsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		var logged bytes.Buffer
		var mu sync.Mutex
		s.hub.log = hclog.New(&hclog.LoggerOptions{Output: &logged, Mutex: &mu})
		said := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return strings.Split(strings.TrimSpace(logged.String()), "\n")
		}
		var stuck []*fakePeer
		open := func(n int) {
			for range n {
				p := &fakePeer{room: func() int { return 0 }, stuck: make(chan struct{})}
				s.open(p)
				stuck = append(stuck, p)
			}
		}
		flood := func() {
			for range 3 {
				s.hub.Apply(nil, []protocol.Act{&protocol.Send{To: protocol.ToAll, Bytes: make([]byte, 1<<20)}})
			}
			synctest.Wait()
		}
		open(300)
		flood()
		if lines := said(); len(lines) != 1 || !strings.Contains(lines[0], "too slow") ||
			!strings.Contains(lines[0], "connection=") {
			t.Fatalf("at once: %q", lines)
		}
		time.Sleep(quiet.Time + time.Second)
		if lines := said(); len(lines) != 2 || !strings.Contains(lines[1], "more=299") {
			t.Fatalf("later: %q", lines)
		}
		time.Sleep(3 * quiet.Time)
		open(5)
		flood()
		s.hub.Shutdown(context.Background(), 0, nil)
		if lines := said(); len(lines) != 4 || !strings.Contains(lines[2], "connection=") ||
			!strings.Contains(lines[3], "more=4") {
			t.Fatalf("after a quiet time, and at the end: %q", lines)
		}
		for _, p := range stuck {
			close(p.stuck)
		}
		s.gone()
	})
}
