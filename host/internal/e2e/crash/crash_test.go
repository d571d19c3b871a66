// Workers that crash, hang, leak and throw: each harms the one request that it was working on.

package crash

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAWorkersDeathHarmsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 3\nphp_ini = { memory_limit = \"32M\" }", "")
	others := harness.NewLoad(h).Kept(3)

	c, pid := harness.Begin(h, dir, "once", "GET /once HTTP/1.1\r\nHost: here\r\n\r\n")
	harness.KillNow(t, pid)
	if a := c.Answer("GET"); a.StatusCode != 200 || a.Text != "attempt 2" {
		t.Errorf("a GET whose worker was killed: %s %q", a.Status, a.Text)
	}
	harness.AwaitFile(t, dir, "once")

	c, pid = harness.Begin(h, dir, "once", "POST /once HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody")
	harness.KillNow(t, pid)
	if a := c.Answer("POST"); a.StatusCode != 502 {
		t.Errorf("a POST whose worker was killed: %s %q", a.Status, a.Text)
	}
	if err := harness.Hello(c); err != nil {
		t.Errorf("the connection after a 502: %v", err)
	}

	for path, says := range map[string]string{"/exit": "exit()", "/memory": "Allowed memory size",
		"/throw": "the secret of the code"} {
		code, body := h.Get(path)
		if code != 500 || strings.Contains(body, "secret") || strings.Contains(body, ".php") ||
			strings.Contains(body, "memory") {
			t.Errorf("%s: %d %s", path, code, body)
		}
		h.Logs.Await(t, says)
	}
	h.Logs.Await(t, "LogicException") // with its trace
	h.Logs.Await(t, "GET /throw")

	for _, path := range []string{"/half", "/throw-half"} {
		c = h.Dial()
		c.Send("GET " + path + " HTTP/1.1\r\nHost: here\r\n\r\n")
		if a, err := c.Try("GET"); err == nil && a.StatusCode != 502 {
			t.Errorf("%s: a response that broke off came as a whole: %s %d bytes", path, a.Status, len(a.Text))
		}
	}

	others.Stop()
	h.AwaitReady()
	for _, pid := range h.PIDs() {
		others := harness.NewLoad(h).Kept(3) // of each kill its own: a GET that is hit twice is lost
		h.Eventually("the others are served", func() bool { return others.Served.Load() > 0 })
		harness.KillNow(t, pid) // idle, or busy with a GET of the others
		harness.AwaitGone(t, pid)
		if code, text := h.Get("/hello"); code != 200 {
			t.Errorf("after the death of an idle worker: %d %s", code, text)
		}
		h.AwaitReady()
		others.Stop()
	}
	if n := h.Begun("POST /once"); n != 1 {
		t.Errorf("the POST was begun %d times", n)
	}
	restarts := 0
	for _, w := range h.Status().Pools[0].Workers {
		restarts += w.Restarts
	}
	if restarts < 8 {
		t.Errorf("%d restarts are counted, and at least 8 workers died", restarts)
	}
}

func TestAnEndlessLoopIsA504AndTheWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 2\nrequest_timeout = \"700ms\"\nstop_timeout = \"500ms\"", "")
	others := harness.NewLoad(h).Kept(1)
	before := h.PIDs()
	if code, body := h.Get("/loop"); code != 504 {
		t.Errorf("%d %s", code, body)
	}
	h.Eventually("the worker is replaced", func() bool {
		now := h.PIDs()
		return (now[0] != before[0]) != (now[1] != before[1])
	})
	h.AwaitReady()
	others.Stop()
	// A stream that shows signs of life is not late, however long it takes.
	if code, text := h.Get("/steps?n=6&ms=300"); code != 200 || !strings.HasSuffix(text, "end 1\n") {
		t.Errorf("a stream of 1.8 s: %d %q", code, text)
	}
}

func TestDevShowsTheTraceAndEscapesIt(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "--dev", "-n", "1", dir)
	code, text := h.Get("/throw?<script>alert(1)</script>")
	if code != 500 || !strings.Contains(text, "the secret of the code") || !strings.Contains(text, "worker.php") ||
		strings.Contains(text, "<script>") {
		t.Errorf("%d %s", code, text)
	}
}

func TestAWorkerInGoThatPanicsOrExitsHarmsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	dir := harness.GoSite(t, "workers = 1")
	h := harness.Start(t, "-c", dir+"/host.toml")
	pid := h.PIDs()[0]
	if code, text := h.Get("/throw"); code != 500 || strings.Contains(text, "secret") {
		t.Errorf("a panic: %d %s", code, text)
	}
	h.Logs.Await(t, "the secret of the code")
	if now := h.PIDs()[0]; now != pid {
		t.Errorf("the panic cost the worker: %d became %d", pid, now)
	}
	c := h.Dial()
	c.Send("POST /exit HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
	if a := c.Answer("POST"); a.StatusCode != 502 {
		t.Errorf("os.Exit: %s", a.Status)
	}
	if code, text := h.Get("/hello"); code != 200 || text != "hello 1" {
		t.Errorf("after os.Exit: %d %s", code, text)
	}
}

// A worker that can't boot at all is tried again, ever more slowly, and the host says why meanwhile.
func TestAFirstBootThatFailsIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `throw new Error('not yet');`)
	addr := harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\nworkers = 2\nqueue_timeout = \"200ms\"\n")
	h := harness.Launch(t, addr, "-l", addr, "-c", dir+"/host.toml")
	h.Logs.Await(t, "not yet")
	h.Eventually("status answers and tells why", func() bool {
		out, code := h.Run("status")
		return code == 0 && strings.Contains(out, "not yet") && strings.Contains(out, "backing-off")
	})
	if code, _ := h.Get("/hello"); code != 503 {
		t.Errorf("without a worker: %d", code)
	}
	h.Logs.Await(t, "for the same reason")
	if log := h.Logs.String(); strings.Count(log, "Uncaught Error: not yet in "+dir+"/worker.php:") != 1 ||
		strings.Count(log, "not yet") != 1 {
		t.Errorf("it is not told once:\n%s", log)
	}
	harness.DeployPages(t, dir, "1")
	h.Reload() // rather than wait for the next attempt
	h.AwaitReady()
	if _, text := h.Get("/hello"); text != "hello 1" {
		t.Errorf("once the code works: %q", text)
	}
}

// Workers die at random, idle ones and busy ones, and no GET fails: it is tried once more elsewhere.
func TestNoGETIsLostToDyingWorkers(t *testing.T) {
	t.Run("PHP", func(t *testing.T) {
		t.Parallel()
		dieAtRandom(t, harness.Start(t, "-n", "4", harness.Pages(t, "1")))
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dieAtRandom(t, harness.Start(t, "-c", harness.GoSite(t, "workers = 3")+"/host.toml"))
	})
}

func dieAtRandom(t *testing.T, h *harness.Host) {
	l := harness.NewLoad(h).Kept(12).Fresh(1)
	for i := range 15 {
		h.AwaitReady() // so that no request can lose its second worker, too
		pids := h.PIDs()
		if pid := pids[i%len(pids)]; pid > 1 {
			harness.KillNow(t, pid)
			// The process may be gone a moment before the host knows.
			h.Eventually("the worker is replaced", func() bool { return !slices.Contains(h.PIDs(), pid) })
		}
	}
	h.AwaitReady()
	l.Stop()
}

// A worker is given its frames, /dev/null and the log: no listener, no client and no other worker's pipe.
func TestAWorkerHoldsNothingOfTheHosts(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "3", harness.Pages(t, "1"))
	c := h.Dial()
	if err := harness.Hello(c); err != nil {
		t.Fatal(err)
	}
	h.Reload()
	given := map[string]bool{} // what whoever runs the tests left open for all of us
	ours, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range ours {
		target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		given[target] = true
	}
	holder := map[string]int{}
	for _, pid := range h.PIDs() {
		folder := fmt.Sprintf("/proc/%d/fd/", pid)
		open, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		log, _ := os.Readlink(folder + "2")
		for _, fd := range open {
			target, _ := os.Readlink(folder + fd.Name())
			other, held := holder[target]
			switch {
			case strings.HasPrefix(target, "socket:"):
				t.Errorf("worker %d holds %s at %s", pid, target, fd.Name())
			case strings.HasPrefix(target, "pipe:") && target != log && !given[target] && held && other != pid:
				t.Errorf("workers %d and %d both hold %s, at %s", pid, other, target, fd.Name())
			}
			holder[target] = pid
		}
	}
}
