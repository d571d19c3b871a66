// Workers that crash, hang, leak and throw: each harms the one request that it was working on.

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// begin sends a request that the worker begins, and returns the connection and the worker's pid, which it leaves in a file.
func begin(h *host, dir, file, request string) (*client, int) {
	h.t.Helper()
	c := h.dial()
	c.send(request)
	return c, awaitPID(h.t, dir, file)
}

func TestAWorkersDeathHarmsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 3\nphp_ini = { memory_limit = \"32M\" }", "")
	others := newLoad(h).kept(3)

	c, pid := begin(h, dir, "once", "GET /once HTTP/1.1\r\nHost: here\r\n\r\n")
	killNow(t, pid)
	if a := c.answer("GET"); a.StatusCode != 200 || a.text != "attempt 2" {
		t.Errorf("a GET whose worker was killed: %s %q", a.Status, a.text)
	}
	awaitFile(t, dir, "once")

	c, pid = begin(h, dir, "once", "POST /once HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody")
	killNow(t, pid)
	if a := c.answer("POST"); a.StatusCode != 502 {
		t.Errorf("a POST whose worker was killed: %s %q", a.Status, a.text)
	}
	if err := hello(c); err != nil {
		t.Errorf("the connection after a 502: %v", err)
	}

	for path, says := range map[string]string{"/exit": "exit()", "/memory": "Allowed memory size", "/throw": "the secret of the code"} {
		code, body := h.get(path)
		if code != 500 || strings.Contains(body, "secret") || strings.Contains(body, ".php") || strings.Contains(body, "memory") {
			t.Errorf("%s: %d %s", path, code, body)
		}
		h.logs.await(t, says)
	}
	h.logs.await(t, "LogicException") // with its trace
	h.logs.await(t, "GET /throw")

	for _, path := range []string{"/half", "/throw-half"} {
		c = h.dial()
		c.send("GET " + path + " HTTP/1.1\r\nHost: here\r\n\r\n")
		if a, err := c.try("GET"); err == nil && a.StatusCode != 502 {
			t.Errorf("%s: a response that broke off came as a whole: %s %d bytes", path, a.Status, len(a.text))
		}
	}

	h.awaitReady()
	for _, pid := range h.pids() {
		killNow(t, pid) // idle ones, or busy with a GET of the others
		awaitGone(t, pid)
		if code, text := h.get("/hello"); code != 200 {
			t.Errorf("after the death of an idle worker: %d %s", code, text)
		}
	}
	h.awaitReady()
	others.stop()
	if n := h.begun("POST /once"); n != 1 {
		t.Errorf("the POST was begun %d times", n)
	}
	restarts := 0
	for _, w := range h.status().Pools[0].Workers {
		restarts += w.Restarts
	}
	if restarts < 8 {
		t.Errorf("%d restarts are counted, and at least 8 workers died", restarts)
	}
}

func TestAnEndlessLoopIsA504AndTheWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 2\nrequest_timeout = \"700ms\"\nstop_timeout = \"500ms\"", "")
	others := newLoad(h).kept(1)
	before := h.pids()
	if code, body := h.get("/loop"); code != 504 {
		t.Errorf("%d %s", code, body)
	}
	h.eventually("the worker is replaced", func() bool {
		now := h.pids()
		return (now[0] != before[0]) != (now[1] != before[1])
	})
	h.awaitReady()
	others.stop()
	// A stream that shows signs of life is not late, however long it takes.
	if code, text := h.get("/steps?n=6&ms=300"); code != 200 || !strings.HasSuffix(text, "end 1\n") {
		t.Errorf("a stream of 1.8 s: %d %q", code, text)
	}
}

func TestDevShowsTheTraceAndEscapesIt(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "--dev", "-n", "1", dir)
	code, text := h.get("/throw?<script>alert(1)</script>")
	if code != 500 || !strings.Contains(text, "the secret of the code") || !strings.Contains(text, "worker.php") || strings.Contains(text, "<script>") {
		t.Errorf("%d %s", code, text)
	}
}

func TestAWorkerInGoThatPanicsOrExitsHarmsOnlyItsRequest(t *testing.T) {
	t.Parallel()
	dir := goSite(t, "workers = 1")
	h := start(t, "-c", dir+"/host.toml")
	pid := h.pids()[0]
	if code, text := h.get("/throw"); code != 500 || strings.Contains(text, "secret") {
		t.Errorf("a panic: %d %s", code, text)
	}
	h.logs.await(t, "the secret of the code")
	if now := h.pids()[0]; now != pid {
		t.Errorf("the panic cost the worker: %d became %d", pid, now)
	}
	c := h.dial()
	c.send("POST /exit HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
	if a := c.answer("POST"); a.StatusCode != 502 {
		t.Errorf("os.Exit: %s", a.Status)
	}
	if code, text := h.get("/hello"); code != 200 || text != "hello 1" {
		t.Errorf("after os.Exit: %d %s", code, text)
	}
}

// A worker that can't boot at all is tried again, ever more slowly, and the host says why meanwhile.
func TestAFirstBootThatFailsIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	dir := phpWorker(t, `throw new Error('not yet');`)
	addr := freeAddress(t)
	write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\nworkers = 2\nqueue_timeout = \"200ms\"\n")
	h := launch(t, addr, "-l", addr, "-c", dir+"/host.toml")
	h.logs.await(t, "not yet")
	h.eventually("status answers and tells why", func() bool {
		out, code := h.run("status")
		return code == 0 && strings.Contains(out, "not yet") && strings.Contains(out, "backing-off")
	})
	if code, _ := h.get("/hello"); code != 503 {
		t.Errorf("without a worker: %d", code)
	}
	deployPages(t, dir, "1")
	h.reload() // rather than wait for the next attempt
	h.awaitReady()
	if _, text := h.get("/hello"); text != "hello 1" {
		t.Errorf("once the code works: %q", text)
	}
}

// Workers die at random, idle ones and busy ones, and no GET fails: it is tried once more elsewhere.
func TestNoGETIsLostToDyingWorkers(t *testing.T) {
	t.Run("PHP", func(t *testing.T) {
		t.Parallel()
		dieAtRandom(t, start(t, "-n", "4", pages(t, "1")))
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dieAtRandom(t, start(t, "-c", goSite(t, "workers = 3")+"/host.toml"))
	})
}

func dieAtRandom(t *testing.T, h *host) {
	l := newLoad(h).kept(12).fresh(1)
	for i := range 15 {
		h.awaitReady() // so that no request can lose its second worker, too
		pids := h.pids()
		if pid := pids[i%len(pids)]; pid > 1 {
			killNow(t, pid)
			awaitGone(t, pid)
		}
	}
	h.awaitReady()
	l.stop()
}

// A worker is given its frames, /dev/null and the log: no listener, no client and no other worker's pipe.
func TestAWorkerHoldsNothingOfTheHosts(t *testing.T) {
	t.Parallel()
	h := start(t, "-n", "3", pages(t, "1"))
	c := h.dial()
	if err := hello(c); err != nil {
		t.Fatal(err)
	}
	h.reload()
	given := map[string]bool{} // what whoever runs the tests left open for all of us
	ours, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range ours {
		target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		given[target] = true
	}
	holder := map[string]int{}
	for _, pid := range h.pids() {
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
