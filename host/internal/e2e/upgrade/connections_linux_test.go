package upgrade

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// Clients of all kinds speak and are spoken to, while the host that they are connected to is replaced, and its workers
// are killed: numbered messages, of which none may be lost, doubled or out of order, and no connection closed. None of
// the requests that come meanwhile fails.
func TestUpgradesCloseNoConnectionAndLoseNoMessage(t *testing.T) {
	t.Parallel()
	sockets, lines, streams, times, lasts := 150, 50, 20, 2, time.Duration(0)
	pause, kill := 600*time.Millisecond, 500*time.Millisecond
	if os.Getenv("LONG_TESTS") != "" { // they speak as seldom as two processors can answer
		sockets, lines, streams, times, lasts = 2000, 500, 200, 5, time.Minute
		pause, kill = 4*time.Second, 2*time.Second
	}
	k := harness.StartTalkTCP(t, "", "workers = 2\ndrain_timeout = \"10s\"")
	c := harness.NewCrowd(t, pause)
	began := time.Now()
	c.Join(sockets, "WebSocket", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Join(lines, "TCP", func() (harness.Talker, error) { return k.TryLine() })
	c.Visit(5, "WebSocket of a moment", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Visit(5, "TCP connection of a moment", func() (harness.Talker, error) { return k.TryLine() })
	c.Watch(k, streams)
	all := sockets + lines + streams
	t.Logf("%d connections have joined in %.1f s", all, time.Since(began).Seconds())
	load := kept(harness.NewLoad(k.Host).Fresh(4), 4)
	stopKilling := killing(t, k.Host, kill)
	last, took := "", []time.Duration{}
	began = time.Now()
	for i := range times {
		time.Sleep(time.Until(began.Add(lasts * time.Duration(i) / time.Duration(times))))
		last = fmt.Sprint(i + 2)
		k.Deploy(t, last)
		asked := time.Now()
		upgraded(t, k.Host)
		took = append(took, time.Since(asked).Round(time.Millisecond))
	}
	time.Sleep(time.Until(began.Add(lasts)))
	t.Logf("the upgrades took %v, %d workers were killed", took, stopKilling())
	load.Stop()
	if _, n := k.Get("/count"); len(n) != len(fmt.Sprint(all)) || n < fmt.Sprint(all) { // and those of a moment
		t.Errorf("of %d connections %s are left", all, n)
	}
	c.End()
	if c.By[last] == 0 || c.By["1"] == 0 {
		t.Errorf("versions 1 and %s should have answered, and these did: %v", last, c.By)
	}
}

// killing kills one of the host's workers at each interval, until the returned function is called, which says how many
// they were.
func killing(t *testing.T, h *harness.Host, interval time.Duration) (stop func() int) {
	over, kills := make(chan struct{}), 0
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(interval):
			}
			st, err := h.TryStatus()
			if err != nil {
				t.Errorf("host status, which always answers: %v", err)
				continue
			}
			if all := st.Pools[0].Workers; len(all) > 0 {
				if pid := all[rand.IntN(len(all))].PID; pid > 1 {
					harness.KillNow(t, pid)
					kills++
				}
			}
		}
	})
	return func() int {
		close(over)
		killer.Wait()
		return kills
	}
}
