//go:build unix

// Workers that hang, are slow, or die of a request, with the real host and real PHP.

package crash

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// lacksPCNTL says whether PHP can't take signals.
func lacksPCNTL() bool {
	out, err := exec.Command("php", "-r", "echo extension_loaded('pcntl') ? 'yes' : 'no';").Output()
	return err != nil || string(out) != "yes"
}

const hanging = `
function spin(): never { for (;;) { strlen('x'); } }
function nap(): void { sleep(1000); }
function wait(): void { fread(fopen(__DIR__ . '/fifo', 'r+'), 100); }
Worker::create()->onRequest(function (Request $r) {
    match ($r->path) { '/busy' => spin(), '/asleep' => nap(), '/stuck' => wait(), '/slow' => usleep(600000), default => null };
    return 'well';
})->run();`

// A hung request is a 504, and the log says which one it was and where its code stood, or which call it is stuck in.
func TestTheLogSaysWhereAHungWorkerStood(t *testing.T) {
	t.Parallel()
	if lacksPCNTL() {
		t.Skip("PHP has no pcntl")
	}
	dir := harness.PHPWorker(t, hanging)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.Write(t, dir, "host.toml",
		"[pool.web]\nworker = \"worker.php\"\nworkers = 4\nrequest_timeout = \"300ms\"\nstop_timeout = \"1s\"\n")
	h := harness.Start(t, "-c", dir+"/host.toml")
	for path, where := range map[string]string{
		"/busy":   `\| #0 \S+worker\.php:\d+ in spin\(\)`,
		"/asleep": `\| #0 \S+worker\.php:\d+ in nap\(\)`,
		"/stuck":  `stuck="in a call that does not return; no backtrace within 200ms; state S \(sleeping\), in read of descriptor \d+ \(\S+/fifo\)`,
	} {
		r, _ := http.NewRequest("GET", h.URL+path, nil)
		r.Header.Set("X-Request-Id", "id-of"+strings.ReplaceAll(path, "/", "-"))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 504 {
			t.Errorf("%s: %s", path, resp.Status)
		}
		line := regexp.MustCompile(`worker did not heed RESET, it is terminated: .*request="GET ` + path +
			`" request_id=id-of` + strings.ReplaceAll(path, "/", "-") + ` .*running=1\.[\d.]+s`)
		h.Eventually("the log names "+path, func() bool { return line.MatchString(h.Logs.String()) })
		stood := regexp.MustCompile(where)
		h.Eventually("the log says where it stood", func() bool { return stood.MatchString(h.Logs.String()) })
	}
	h.Eventually("other workers take their place", func() bool {
		st, err := h.TryStatus()
		if err != nil {
			return false
		}
		for _, w := range st.Pools[0].Workers {
			if w.State != "idle" {
				return false
			}
		}
		return len(st.Pools[0].Workers) == 4
	})
	if code, text := h.Get("/"); code != 200 || text != "well" {
		t.Errorf("afterwards: %d %s", code, text)
	}
}

func TestASlowRequestIsLoggedAndAnswered(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, hanging)
	harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\nworkers = 1\nslow_request = \"200ms\"\n")
	h := harness.Start(t, "-c", dir+"/host.toml")
	began := time.Now()
	if code, text := h.Get("/slow"); code != 200 || text != "well" || time.Since(began) < 600*time.Millisecond {
		t.Errorf("%d %s after %v", code, text, time.Since(began)) // shorter if a signal had come
	}
	h.Get("/")
	h.Logs.Await(t, "slow request ended: ")
	if log := h.Logs.String(); strings.Count(log, "slow request: ") != 1 ||
		strings.Count(log, "slow request ended: ") != 1 || strings.Contains(log, "#0 ") {
		t.Error(log)
	}
}

func TestASlowRequestIsTracedIfTheFileSaysSo(t *testing.T) {
	t.Parallel()
	if lacksPCNTL() {
		t.Skip("PHP has no pcntl")
	}
	dir := harness.PHPWorker(t, `
function report(): void { for ($end = hrtime(true) + 600e6; hrtime(true) < $end;) { strlen('x'); } }
Worker::create()->onRequest(function (Request $r) { report(); return 'well'; })->run();`)
	harness.Write(t, dir, "host.toml",
		"[pool.web]\nworker = \"worker.php\"\nworkers = 1\nslow_request = \"200ms\"\nslow_trace = true\n")
	h := harness.Start(t, "-c", dir+"/host.toml")
	if code, text := h.Get("/slow"); code != 200 || text != "well" {
		t.Errorf("%d %s", code, text)
	}
	h.Logs.Await(t, "in report()")
}

// The first worker that gets it dies of it without a word. The second one answers, if the file lets it.
func TestARequestIsTriedOnceMoreAsTheFileSays(t *testing.T) {
	t.Parallel()
	// Ten workers, so that none of the nine deaths has to wait for one that backs off.
	dir := harness.PHPWorker(t, `
Worker::create()->onRequest(function (Request $r) {
    $body = $r->body();
    if ($r->attempt === 1 || $r->path === '/poison') {
        file_put_contents(__DIR__ . '/deaths', $r->path . "\n", FILE_APPEND);
        posix_kill(getmypid(), SIGKILL);
    }
    return "attempt $r->attempt of " . strlen($body);
})->run();`)
	settings := func(retry string) {
		harness.Write(t, dir, "host.toml",
			"[http]\nbody_buffer = \"64KiB\"\n[pool.web]\nworker = \"worker.php\"\nworkers = 10\n"+
				"retry = \""+retry+"\"\n")
	}
	settings("idempotency-key")
	h := harness.Start(t, "-c", dir+"/host.toml")
	send := func(method, path, key string, size int) (int, string) {
		t.Helper()
		r, _ := http.NewRequest(method, h.URL+path, strings.NewReader(strings.Repeat("x", size)))
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text := make([]byte, 100)
		n, _ := resp.Body.Read(text)
		return resp.StatusCode, string(text[:n])
	}
	for _, size := range []int{0, 10, 60_000, 2_000_000} { // in the frame, in memory, and mostly on disk
		want := "attempt 2 of " + map[int]string{0: "0", 10: "10", 60_000: "60000", 2_000_000: "2000000"}[size]
		if code, text := send("POST", "/", "k1", size); code != 200 || text != want {
			t.Errorf("POST of %d bytes with a key: %d %s", size, code, text)
		}
	}
	if code, _ := send("POST", "/", "", 10); code != 502 {
		t.Errorf("POST without a key: %d", code)
	}
	if code, text := send("GET", "/", "", 0); code != 200 || text != "attempt 2 of 0" {
		t.Errorf("GET: %d %s", code, text)
	}
	os.Remove(dir + "/deaths")
	if code, _ := send("GET", "/poison", "", 0); code != 502 {
		t.Errorf("a request that kills: %d", code)
	}
	if deaths, _ := os.ReadFile(dir + "/deaths"); string(deaths) != "/poison\n/poison\n" {
		t.Errorf("it was tried %q", deaths)
	}
	settings("never")
	if out, code := h.Run("reload"); code != 0 || !strings.Contains(out, "retry") {
		t.Fatalf("%d %s", code, out)
	}
	if code, _ := send("GET", "/", "", 0); code != 502 {
		t.Errorf("GET with retry = never: %d", code)
	}
}

// Somebody kills the first new worker as it starts: that says nothing about the code.
func TestAReloadOutlivesANewWorkerThatIsKilledFromOutside(t *testing.T) {
	t.Parallel()
	code := func(version string) string {
		return `
Worker::create()->onStart(function () { if (@unlink(__DIR__ . '/strike')) { posix_kill(getmypid(), SIGKILL); } })
    ->onRequest(fn (Request $r) => '` + version + `')->run();`
	}
	dir := harness.PHPWorker(t, code("old"))
	h := harness.Start(t, "-n", "2", dir)
	harness.WritePHP(t, dir, code("new"))
	harness.Write(t, dir, "strike", "")
	if out := h.Reload(); strings.Count(out,
		"one more was tried: the first was killed from outside (signal: killed)") != 1 {
		t.Errorf("the report does not say it:\n%s", out)
	}
	if code, text := h.Get("/"); code != 200 || text != "new" {
		t.Errorf("%d %s", code, text)
	}
}
