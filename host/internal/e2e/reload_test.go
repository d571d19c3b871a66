// host reload: new code goes live and nobody notices; broken code does not.

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReloadUnderLoadFailsNoRequest(t *testing.T) {
	t.Run("PHP, 32 connections", func(t *testing.T) {
		t.Parallel()
		dir := pages(t, "1")
		h := startPHP(t, dir, "", "workers = 4\nsurge = 2", "")
		l := newLoad(h).kept(15).fresh(2).http2(3)
		reloadUnderLoad(t, l.bodies(1), 7, 10, func(version string) { deployPages(t, dir, version) })
	})
	t.Run("PHP, 256 connections", func(t *testing.T) {
		t.Parallel()
		dir := pages(t, "1")
		h := startPHP(t, dir, "", "workers = 4\nsurge = 4", "")
		l := newLoad(h).kept(170).fresh(10).http2(6)
		reloadUnderLoad(t, l.bodies(2), 60, 10, func(version string) { deployPages(t, dir, version) })
	})
	t.Run("PHP, bodies streamed", func(t *testing.T) {
		t.Parallel()
		dir := pages(t, "1")
		h := startPHP(t, dir, "", "workers = 6\nsurge = 3\nrequest_body = \"stream\"", "")
		l := newLoad(h).kept(15).fresh(2).http2(3)
		reloadUnderLoad(t, l.bodies(1), 7, 4, func(version string) { deployPages(t, dir, version) })
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dir := goSite(t, "workers = 2")
		h := start(t, "-c", filepath.Join(dir, "host.toml"))
		l := newLoad(h).kept(32).fresh(2).http2(3)
		reloadUnderLoad(t, l.bodies(1), 7, 4, func(version string) { write(t, dir, "VERSION", version) })
	})
}

// reloadUnderLoad reloads a number of times under the load, which it ends, while as many connections as idle says stay open without a request.
func reloadUnderLoad(t *testing.T, l *load, idle, reloads int, deploy func(version string)) {
	h := l.h
	var kept []*client
	for range idle {
		c := h.dial()
		if err := hello(c); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, c)
	}
	first := h.pids()
	for version := 2; version <= reloads+1; version++ {
		deploy(fmt.Sprint(version))
		out := h.reload()
		if _, got := h.get("/hello"); got != fmt.Sprintf("hello %d", version) {
			t.Errorf("after the reload to version %d: %q\n%s", version, got, out)
		}
	}
	l.stop()
	last := fmt.Sprintf("hello %d", reloads+1)
	for i, c := range kept {
		if text, err := c.ask("/hello"); err != nil || text != last {
			t.Errorf("idle connection %d did not survive the reloads: %q %v", i, text, err)
		}
	}
	st := h.status()
	if got := st.Pools[0].Generation; got != reloads+1 {
		t.Errorf("%d reloads led to generation %d", reloads, got)
	}
	for _, w := range st.Pools[0].Workers {
		if w.Generation != reloads+1 || w.Restarts != 0 {
			t.Errorf("worker %d: generation %d, %d restarts", w.Slot, w.Generation, w.Restarts)
		}
	}
	awaitGone(t, first...)
}

// A request that is being worked on when the reload begins is finished by the old code, while new requests get the new code.
func TestReloadLetsTheOldCodeFinish(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "1", dir)
	c := h.dial()
	c.send("GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	old := awaitPID(t, dir, "until")
	deployPages(t, dir, "2")
	reload := exec.Command(hostBinary, "reload", "--control", h.control)
	if err := reload.Start(); err != nil {
		t.Fatal(err)
	}
	h.eventually("the new code answers beside the old", func() bool { _, got := h.get("/hello"); return got == "hello 2" })
	write(t, dir, "go", "1")
	if a := c.answer("GET"); a.text != "went 1" {
		t.Errorf("the request that the old worker had: %q", a.text)
	}
	if err := reload.Wait(); err != nil {
		t.Errorf("host reload: %v", err)
	}
	awaitGone(t, old)
}

// A request that outlives drain_timeout is cut, and named.
func TestReloadNamesTheRequestsThatItCuts(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 1\ndrain_timeout = \"300ms\"\nstop_timeout = \"300ms\"", "")
	c := h.dial()
	c.send("POST /slow?ms=60000 HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
	old := awaitPID(t, dir, "slow")
	out := h.reload()
	if !strings.Contains(out, "POST /slow?ms=60000") {
		t.Errorf("host reload does not name the request:\n%s", out)
	}
	if a := c.answer("POST"); a.StatusCode != 502 && a.StatusCode != 503 {
		t.Errorf("the request that was cut: %s", a.Status)
	}
	awaitGone(t, old)
}

func TestReloadsAtTheSameTimeEndOnTheNewestCode(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "3", dir)
	l := newLoad(h).kept(4)
	var running []*exec.Cmd
	for version := 2; version <= 6; version++ {
		deployPages(t, dir, fmt.Sprint(version))
		cmd := exec.Command(hostBinary, "reload", "--control", h.control)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Errorf("host reload: %v", err)
		}
	}
	l.stop()
	for range 6 {
		if _, got := h.get("/hello"); got != "hello 6" {
			t.Errorf("after all reloads: %q", got)
		}
	}
}

func TestBrokenCodeNeverTakesOver(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := startPHP(t, dir, "", "workers = 3\nstart_timeout = \"2s\"\nstop_timeout = \"500ms\"", "")
	before := h.pids()
	l := newLoad(h).kept(8).fresh(1)
	run := `->onRequest(fn () => 'broken')->run();`
	for _, broken := range []struct{ name, code, says string }{
		{"a syntax error", "Worker::create() ->> ;", "syntax error, unexpected"},
		{"a throw in onStart", `Worker::create()->onStart(function () { throw new RuntimeException('no database today'); })` + run, "no database today"},
		{"an exit at boot", `exit(7);`, "7"},
		{"an exit in onStart", `Worker::create()->onStart(function () { exit(7); })` + run, "exit()"},
		{"a class that is missing", `Nowhere::call();`, `Class "Nowhere" not found`},
		{"an autoload that is missing", `require __DIR__ . '/vendor/autoload.php';`, "vendor/autoload.php"},
		{"a worker that is never ready", `sleep(60);`, "start_timeout"},
		{"a worker that prints much and ends", `echo str_repeat('printed at boot ', 10000);`, "printed at boot"},
		{"a worker without a handler", `Worker::create()->run();`, "onRequest"},
	} {
		writePHP(t, dir, broken.code)
		out, code := h.run("reload")
		if code != 1 || !strings.Contains(out, broken.says) {
			t.Errorf("%s: host reload exits %d and does not say %q:\n%s", broken.name, code, broken.says, out)
		}
		if fmt.Sprint(h.pids()) != fmt.Sprint(before) {
			t.Errorf("%s: the workers were %v and are %v", broken.name, before, h.pids())
		}
		if _, got := h.get("/hello"); got != "hello 1" {
			t.Errorf("%s: then %q", broken.name, got)
		}
	}
	deployPages(t, dir, "2")
	h.reload()
	l.stop()
	if _, got := h.get("/hello"); got != "hello 2" {
		t.Errorf("with the code mended: %q", got)
	}
}

// A worker that crashes between two reloads comes back with the code of its generation; the next reload picks up the new one.
func TestACrashBetweenReloadsStaysOnTheOldRelease(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	for _, version := range []string{"1", "2"} {
		release := filepath.Join(site, "releases", version)
		if err := os.MkdirAll(release, 0o755); err != nil {
			t.Fatal(err)
		}
		deployPages(t, release, version)
	}
	point := func(version string) {
		os.Symlink("releases/"+version, filepath.Join(site, "new"))
		if err := os.Rename(filepath.Join(site, "new"), filepath.Join(site, "current")); err != nil {
			t.Fatal(err)
		}
	}
	point("1")
	h := start(t, "-n", "2", filepath.Join(site, "current"))
	h.get("/hello")
	point("2")
	for _, pid := range h.pids() {
		killNow(t, pid)
		awaitGone(t, pid)
	}
	h.awaitReady()
	for range 4 {
		if _, got := h.get("/hello"); got != "hello 1" {
			t.Fatalf("a worker that crashed came back with %q", got)
		}
	}
	h.reload()
	for range 4 {
		if _, got := h.get("/hello"); got != "hello 2" {
			t.Fatalf("the reload brought %q", got)
		}
	}
	// A release that breaks half-way: the slots that were swapped are put back.
	write(t, filepath.Join(site, "releases/1"), "worker.php", strings.Replace(readFile(t, filepath.Join(site, "releases/1/worker.php")), "Worker::create()",
		"if (file_exists('"+site+"/booted')) { throw new Error('only one of us'); } touch('"+site+"/booted');\nWorker::create()", 1))
	point("1")
	out, code := h.run("reload")
	if code != 1 || !strings.Contains(out, "only one of us") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for range 4 {
		if _, got := h.get("/hello"); got != "hello 2" {
			t.Fatalf("the release that broke half-way left %q", got)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wrk counts what a real load generator sees.
func TestWrkSeesNoErrorDuringReloads(t *testing.T) {
	dir := pages(t, "1")
	h := start(t, "-n", "4", dir)
	wrk := exec.Command("wrk", "-t2", "-c32", "-d5s", h.url+"/pid")
	reloaded := make(chan error, 1)
	go func() {
		for range 3 {
			if out, err := exec.Command(hostBinary, "reload", "--control", h.control).CombinedOutput(); err != nil {
				reloaded <- fmt.Errorf("%w\n%s", err, out)
				return
			}
			time.Sleep(300 * time.Millisecond) // apart, within wrk's five seconds
		}
		reloaded <- nil
	}()
	out, err := wrk.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := <-reloaded; err != nil {
		t.Error(err)
	}
	if text := string(out); strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		t.Errorf("%s", text)
	}
	t.Logf("%s", out)
}
