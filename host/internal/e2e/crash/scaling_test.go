package crash

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// unhurried takes a tenth of a second for each request.
const unhurried = `Worker::create()->onRequest(function (Request $request): Response {
    usleep(100000);
    return Response::text('hello 1');
})->run();`

func TestAPoolGrowsUnderABurstAndShrinksAfterwards(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, unhurried)
	h := harness.StartPHP(t, dir, "", "min_workers = 1\nmax_workers = 6\nidle_timeout = \"1s\"", "")
	if n := len(h.Status().Pools[0].Workers); n != 1 {
		t.Fatalf("%d workers before the burst", n)
	}
	var all sync.WaitGroup
	for i := range 90 {
		all.Go(func() {
			resp, err := http.Get(fmt.Sprintf("%s/%d", h.URL, i))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(body) != "hello 1" {
				t.Errorf("%s %q %v", resp.Status, body, err)
			}
		})
	}
	h.Eventually("all six serve", func() bool { return h.Count("idle")+h.Count("busy") == 6 })
	if out, _ := h.Run("status"); !strings.Contains(out, "6 workers (1–6)") {
		t.Errorf("host status does not show the bounds:\n%s", out)
	}
	h.Reload()
	all.Wait()
	h.Eventually("one is left", func() bool { return len(h.Status().Pools[0].Workers) == 1 })
	harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\nmin_workers = 3\nmax_workers = 3\n")
	if out := h.Reload(); !strings.Contains(out, "max_workers 6 → 3") {
		t.Errorf("the reload does not tell of the bounds:\n%s", out)
	}
	h.Await("idle", 3)
	harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\nworkers = 2\n")
	h.Reload()
	h.Await("idle", 2)
	if status, text := h.Get("/"); status != 200 || text != "hello 1" {
		t.Errorf("%d %q", status, text)
	}
}
