package crash

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// twoPools starts a host whose pool good serves at h.addr and whose pool bad, with the code given, is at the second
// address.
func twoPools(t *testing.T, code string, flags ...string) (h *harness.Host, bad, admin, dir string) {
	t.Helper()
	good := harness.PHPWorker(t, `Worker::create()->onRequest(fn (Request $r) => 'hello 1')->run();`)
	dir = harness.PHPWorker(t, code)
	addr := harness.FreeAddress(t)
	bad, admin = harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf(`[admin]
listen = %q
[[listen]]
address = %q
pool = "good"
[[listen]]
address = %q
pool = "bad"
[pool.good]
worker = %q
workers = 2
[pool.bad]
worker = "worker.php"
workers = 2
queue_timeout = "300ms"
`, admin, addr, bad, filepath.Join(good, "worker.php")))
	return harness.Launch(t, addr, append([]string{"-c", dir + "/host.toml"}, flags...)...), bad, admin, dir
}

// pageOf gets a page of another listener than the host's first.
func pageOf(t *testing.T, addr string) (status int, text, retryAfter string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/")
	if err != nil {
		return 0, err.Error(), ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header.Get("Retry-After")
}

// While one pool can't start, the other one and status do not notice; status, readiness, 503s and the log say why; and
// the pool is back once the code is mended.
func TestACrashLoopOfOnePoolIsToldAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ code, why string }{
		"before READY": {`fwrite(STDERR, "the database is down\n"); exit(3);`, "the database is down"},
		"after READY": {`Worker::create()->onStart(function () { fwrite(STDERR, "the cache is down\n"); exec('(sleep 0.05; kill -SEGV ' . getmypid() . ') >/dev/null 2>&1 &'); })
			->onRequest(function (Request $r) { sleep(60); })->run();`, "the cache is down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, bad, admin, dir := twoPools(t, c.code, "--dev")
			h.Eventually("status tells why", func() bool {
				out, code := h.Run("status")
				return code == 0 && strings.Contains(out, c.why) && strings.Contains(out, "backing-off")
			})
			h.Eventually("the other pool serves", func() bool {
				status, text, _ := pageOf(t, h.Addr)
				return status == 200 && text == "hello 1"
			})
			before := h.Status()
			l := harness.NewLoad(h).Kept(4)
			until := time.Now().Add(2 * time.Second)
			told := false
			for time.Now().Before(until) {
				if _, err := h.TryStatus(); err != nil {
					t.Fatalf("host status, which always answers: %v", err)
				}
				status, text, retry := pageOf(t, bad)
				if status != 0 && (status != 503 && status != 502 || status == 503 && retry == "") {
					t.Fatalf("the bad pool: %d %q %s", status, retry, text)
				}
				told = told || status == 503 && strings.Contains(text, c.why)
			}
			l.Stop() // fails the test if one request failed
			if !told {
				t.Error("no 503 said why, with --dev")
			}
			h.Eventually("readiness is red and says why", func() bool {
				code, text := harness.Asked(admin, "/readyz")
				return code == 503 && strings.Contains(text, "pool bad") && strings.Contains(text, c.why) &&
					!strings.Contains(text, "pool good")
			})
			for i, p := range h.Status().Pools {
				if p.Name == "good" && fmt.Sprint(p.Workers[0].PID,
					p.Workers[1].PID) != fmt.Sprint(before.Pools[i].Workers[0].PID, before.Pools[i].Workers[1].PID) {
					t.Errorf("workers of the good pool changed")
				}
			}
			harness.WritePHP(t, dir, `Worker::create()->onRequest(fn (Request $r) => 'mended')->run();`)
			if name == "after READY" {
				if out, code := h.Run("reload", "bad"); code != 0 {
					t.Fatalf("%d %s", code, out)
				}
				if status, text, _ := pageOf(t, bad); status != 200 || text != "mended" {
					t.Errorf("right after the reload: %d %s", status, text)
				}
			}
			h.Eventually("it is back by itself", func() bool {
				status, text, _ := pageOf(t, bad)
				code, _ := harness.Asked(admin, "/readyz")
				return status == 200 && text == "mended" && code == 200
			})
		})
	}
}
