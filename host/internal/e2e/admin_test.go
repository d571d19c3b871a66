package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startWatched starts a host with the worker in dir and an admin listener, whose address it returns. It does not wait for a worker.
func startWatched(t *testing.T, dir string) (h *host, admin string) {
	t.Helper()
	addr, admin := freeAddress(t), freeAddress(t)
	file := filepath.Join(t.TempDir(), "host.toml")
	toml := fmt.Sprintf("[admin]\nlisten = %q\n[[listen]]\naddress = %q\n[pool.app]\nworker = %q\nworkers = 2\n", admin, addr, filepath.Join(dir, "worker.php"))
	if err := os.WriteFile(file, []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
	return launch(t, addr, "-c", file), admin
}

// asked gets a page of the admin listener; its status is 0 while nobody answers.
func asked(admin, path string) (int, string) {
	r, err := http.Get("http://" + admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

func TestTheAdminListenerShowsWhatAReloadDid(t *testing.T) {
	t.Parallel()
	h, admin := startWatched(t, phpWorker(t, `Worker::create()->onRequest(fn (Request $r): Response => Response::text('hello'))->run();`))
	h.awaitReady()
	for range 3 {
		h.get("/")
	}
	h.reload()
	h.get("/")
	if code, text := asked(admin, "/livez"); code != 200 {
		t.Errorf("/livez: %d %s", code, text)
	}
	if code, text := asked(admin, "/readyz"); code != 200 {
		t.Errorf("/readyz: %d %s", code, text)
	}
	_, page := asked(admin, "/metrics")
	for _, line := range []string{
		`workerhost_responses_total{class="2xx",generation="1",pool="app"} 3`,
		`workerhost_responses_total{class="2xx",generation="2",pool="app"} 1`,
		`workerhost_response_body_bytes_total{pool="app"} 20`,
		`workerhost_reload_seconds_count{pool="app"} 1`,
		`workerhost_worker_boot_seconds_count{pool="app"} 4`,
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
	dir := phpWorker(t, `throw new Exception('no database');`)
	h, admin := startWatched(t, dir)
	h.eventually("readiness says why", func() bool {
		code, text := asked(admin, "/readyz")
		return code == 503 && strings.Contains(text, "no database")
	})
	if code, text := asked(admin, "/livez"); code != 200 {
		t.Errorf("/livez: %d %s", code, text)
	}
	writePHP(t, dir, `Worker::create()->onRequest(fn (Request $r): Response => Response::text('hello'))->run();`)
	h.eventually("readiness is green", func() bool { code, _ := asked(admin, "/readyz"); return code == 200 })
}
