package upgrade

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// A client that keeps its connection never has to make another one.
func TestUpgradesCloseNoConnectionThatIsKeptAlive(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.Pages(t, "1"), "", "workers = 2\ndrain_timeout = \"5s\"", "")
	load := harness.NewLoad(h)
	var asked atomic.Int64
	for i := range 6 {
		c, err := h.TryDial()
		if err != nil {
			t.Fatal(err)
		}
		load.Run(1, fmt.Sprint("kept connection ", i), func() error {
			for range 1 + i%3 { // pipelined
				if _, err := fmt.Fprint(c, "GET /hello HTTP/1.1\r\nHost: here\r\n\r\n"); err != nil {
					return err
				}
			}
			for range 1 + i%3 {
				a, err := c.Try("GET")
				if err != nil {
					return err
				}
				if a.StatusCode != http.StatusOK || a.Close {
					return fmt.Errorf("%s: %s, close %v", a.Status, a.Text, a.Close)
				}
				asked.Add(1)
			}
			return nil
		})
	}
	for range 3 {
		upgraded(t, h)
		until := time.Now().Add(20 * time.Second)
		for before := asked.Load(); asked.Load() < before+50 && time.Now().Before(until); {
			time.Sleep(time.Millisecond)
		}
	}
	load.Stop()
	t.Logf("%d requests", asked.Load())
}
