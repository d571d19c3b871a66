package operate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// startWatched starts a host with the worker in dir and an admin listener, whose address it returns. It does not wait
// for a worker.
func startWatched(t *testing.T, dir string) (h *harness.Host, admin string) {
	t.Helper()
	addr, admin := harness.FreeAddress(t), harness.FreeAddress(t)
	file := filepath.Join(t.TempDir(), "host.toml")
	toml := fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\n[pool.app]\nworker = %q\nworkers = 2\n",
		admin, addr, filepath.Join(dir, "worker.php"))
	if err := os.WriteFile(file, []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
	return harness.Launch(t, addr, "-c", file), admin
}

func TestTheAdminListenerShowsWhatAReloadDid(t *testing.T) {
	t.Parallel()
	h, admin := startWatched(t, harness.PHPWorker(t,
		`Worker::create()->onRequest(fn (Request $r): Response => Response::text('hello'))->run();`))
	h.AwaitReady()
	for range 3 {
		h.Get("/")
	}
	h.Reload()
	h.Get("/")
	if code, text := harness.Asked(admin, "/livez"); code != 200 {
		t.Errorf("/livez: %d %s", code, text)
	}
	if code, text := harness.Asked(admin, "/readyz"); code != 200 {
		t.Errorf("/readyz: %d %s", code, text)
	}
	_, page := harness.Asked(admin, "/metrics")
	for _, line := range []string{
		`workerhost_responses_total{class="2xx",generation="1",pool="app"} 3`,
		`workerhost_responses_total{class="2xx",generation="2",pool="app"} 1`,
		`workerhost_response_body_bytes_total{pool="app"} 20`,
		`workerhost_reload_seconds_count{pool="app"} 1`,
		`workerhost_worker_boot_seconds_count{generation="1",pool="app"} 2`,
		`workerhost_worker_boot_seconds_count{generation="2",pool="app"} 2`,
		`workerhost_service_seconds_count{generation="1",pool="app"} 3`,
		`workerhost_pool_generation{pool="app"} 2`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("/metrics has no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestReadinessIsRedWhileAPoolCannotStartAndGreenOnceItIsMended(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `throw new Exception('no database');`)
	h, admin := startWatched(t, dir)
	h.Eventually("readiness says why", func() bool {
		code, text := harness.Asked(admin, "/readyz")
		return code == 503 && strings.Contains(text, "no database")
	})
	if code, text := harness.Asked(admin, "/livez"); code != 200 {
		t.Errorf("/livez: %d %s", code, text)
	}
	harness.WritePHP(t, dir,
		`Worker::create()->onRequest(fn (Request $r): Response => Response::text('hello'))->run();`)
	h.Eventually("readiness is green", func() bool { code, _ := harness.Asked(admin, "/readyz"); return code == 200 })
}
