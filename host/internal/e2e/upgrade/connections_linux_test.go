package upgrade

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// Clients of all kinds speak and are spoken to, while the host that they are connected to is replaced, and its workers
// are killed: numbered messages, of which none may be lost, doubled or out of order, and no connection closed.
func TestUpgradesCloseNoConnectionAndLoseNoMessage(t *testing.T) {
	t.Parallel()
	sockets, lines, streams, times := 150, 50, 20, 2
	if os.Getenv("LONG_TESTS") != "" {
		sockets, lines, streams, times = 1000, 250, 100, 5
	}
	k := harness.StartTalkTCP(t, "", "workers = 2\ndrain_timeout = \"10s\"")
	c := harness.NewCrowd(t, 600*time.Millisecond)
	c.Join(sockets, "WebSocket", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Join(lines, "TCP", func() (harness.Talker, error) { return k.TryLine() })
	c.Visit(5, "WebSocket of a moment", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Visit(5, "TCP connection of a moment", func() (harness.Talker, error) { return k.TryLine() })
	c.Watch(k, streams)
	last := ""
	for i := range times {
		last = fmt.Sprint(i + 2)
		k.Deploy(t, last)
		upgraded(t, k.Host)
		before := k.PIDs()
		harness.KillNow(t, before[0])
		k.Eventually("another worker is there", func() bool {
			now := k.PIDs()
			return len(now) == len(before) && !slices.Contains(now, before[0])
		})
	}
	all := sockets + lines + streams
	if _, n := k.Get("/count"); len(n) != len(fmt.Sprint(all)) || n < fmt.Sprint(all) { // and those of a moment
		t.Errorf("of %d connections %s are left", all, n)
	}
	c.End()
	if c.By[last] == 0 || c.By["1"] == 0 {
		t.Errorf("versions 1 and %s should have answered, and these did: %v", last, c.By)
	}
}
