// examples/waiting-php, with many pages at once.

package examples

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestPagesThatWaitForAServiceShareAWorker(t *testing.T) {
	t.Parallel()
	folder := release(t, t.TempDir(), "1", "waiting-php")
	addr, config := harness.FreeAddress(t), filepath.Join(folder, "host.toml")
	edit(t, config, `address = "127.0.0.1:8080"`, `address = "`+addr+`"`)
	edit(t, config, `env = { PRICES = "tcp://127.0.0.1:8080" }`, "workers = 1\nenv = { PRICES = \"tcp://"+addr+`" }`)
	h := harness.StartWith(t, addr, "-c", config)
	var pages sync.WaitGroup
	for range 30 { // each has its worker wait for itself three times
		pages.Go(func() {
			if text, err := h.Dial().Ask("/"); err != nil || text != `{"tea":"3.20","coffee":"2.80","cake":"4.10"}` {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
	pages.Wait()
}
