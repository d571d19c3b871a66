// host reload: new code goes live and nobody notices; broken code does not.

package reload

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestReloadUnderLoadFailsNoRequest(t *testing.T) {
	reloads := 3
	if harness.Long {
		reloads = 20
	}
	t.Run("PHP, 32 connections", func(t *testing.T) {
		t.Parallel()
		dir := harness.Pages(t, "1")
		h := harness.StartPHP(t, dir, "", "workers = 4\nsurge = 2", "")
		l := harness.NewLoad(h).Kept(15).Fresh(2).Http2(3)
		reloadUnderLoad(t, l.Bodies(1), 7, reloads, func(version string) { harness.DeployPages(t, dir, version) })
	})
	t.Run("PHP, 256 connections", func(t *testing.T) {
		t.Parallel()
		dir := harness.Pages(t, "1")
		h := harness.StartPHP(t, dir, "", "workers = 4\nsurge = 4", "")
		l := harness.NewLoad(h).Kept(170).Fresh(10).Http2(6)
		reloadUnderLoad(t, l.Bodies(2), 60, reloads, func(version string) { harness.DeployPages(t, dir, version) })
	})
	t.Run("PHP, bodies streamed", func(t *testing.T) {
		t.Parallel()
		dir := harness.Pages(t, "1")
		h := harness.StartPHP(t, dir, "", "workers = 6\nsurge = 3\nrequest_body = \"stream\"", "")
		l := harness.NewLoad(h).Kept(15).Fresh(2).Http2(3)
		reloadUnderLoad(t, l.Bodies(1), 7, reloads, func(version string) { harness.DeployPages(t, dir, version) })
	})
	t.Run("Go", func(t *testing.T) {
		t.Parallel()
		dir := harness.GoSite(t, "workers = 2")
		h := harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
		l := harness.NewLoad(h).Kept(32).Fresh(2).Http2(3)
		reloadUnderLoad(t, l.Bodies(1), 7, reloads, func(version string) { harness.Write(t, dir, "VERSION", version) })
	})
}

// reloadUnderLoad reloads a number of times under the load, which it ends, while as many connections as idle says stay
// open without a request.
func reloadUnderLoad(t *testing.T, l *harness.Load, idle, reloads int, deploy func(version string)) {
	h := l.H
	var kept []*harness.Client
	for range idle {
		c := h.Dial()
		if err := harness.Hello(c); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, c)
	}
	first := h.PIDs()
	for version := 2; version <= reloads+1; version++ {
		deploy(fmt.Sprint(version))
		out := h.Reload()
		if _, got := h.Get("/hello"); got != fmt.Sprintf("hello %d", version) {
			t.Errorf("after the reload to version %d: %q\n%s", version, got, out)
		}
	}
	l.Stop()
	last := fmt.Sprintf("hello %d", reloads+1)
	for i, c := range kept {
		if text, err := c.Ask("/hello"); err != nil || text != last {
			t.Errorf("idle connection %d did not survive the reloads: %q %v", i, text, err)
		}
	}
	st := h.Status()
	if got := st.Pools[0].Generation; got != reloads+1 {
		t.Errorf("%d reloads led to generation %d", reloads, got)
	}
	for _, w := range st.Pools[0].Workers {
		if w.Generation != reloads+1 || w.Restarts != 0 {
			t.Errorf("worker %d: generation %d, %d restarts", w.Slot, w.Generation, w.Restarts)
		}
	}
	harness.AwaitGone(t, first...)
}

// A request that is being worked on when the reload begins is finished by the old code, while new requests get the new
// code.
func TestReloadLetsTheOldCodeFinish(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "1", dir)
	c := h.Dial()
	c.Send("GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
	old := harness.AwaitPID(t, dir, "until")
	harness.DeployPages(t, dir, "2")
	reload := exec.Command(harness.HostBinary, "reload", "--control", h.Control)
	if err := reload.Start(); err != nil {
		t.Fatal(err)
	}
	h.Eventually("the new code answers beside the old", func() bool {
		_, got := h.Get("/hello")
		return got == "hello 2"
	})
	harness.Write(t, dir, "go", "1")
	if a := c.Answer("GET"); a.Text != "went 1" {
		t.Errorf("the request that the old worker had: %q", a.Text)
	}
	if err := reload.Wait(); err != nil {
		t.Errorf("host reload: %v", err)
	}
	harness.AwaitGone(t, old)
}

// A request that outlives drain_timeout is cut, and named.
func TestReloadNamesTheRequestsThatItCuts(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1\ndrain_timeout = \"300ms\"\nstop_timeout = \"300ms\"", "")
	c := h.Dial()
	c.Send("POST /slow?ms=60000 HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
	old := harness.AwaitPID(t, dir, "slow")
	out := h.Reload()
	if !strings.Contains(out, "POST /slow?ms=60000") {
		t.Errorf("host reload does not name the request:\n%s", out)
	}
	if a := c.Answer("POST"); a.StatusCode != 502 && a.StatusCode != 503 {
		t.Errorf("the request that was cut: %s", a.Status)
	}
	harness.AwaitGone(t, old)
}

func TestReloadsAtTheSameTimeEndOnTheNewestCode(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "3", dir)
	l := harness.NewLoad(h).Kept(4)
	var running []*exec.Cmd
	for version := 2; version <= 6; version++ {
		harness.DeployPages(t, dir, fmt.Sprint(version))
		cmd := exec.Command(harness.HostBinary, "reload", "--control", h.Control)
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
	l.Stop()
	for range 6 {
		if _, got := h.Get("/hello"); got != "hello 6" {
			t.Errorf("after all reloads: %q", got)
		}
	}
}

func TestBrokenCodeNeverTakesOver(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 3\nstart_timeout = \"2s\"\nstop_timeout = \"500ms\"", "")
	before := h.PIDs()
	l := harness.NewLoad(h).Kept(8).Fresh(1)
	run := `->onRequest(fn () => 'broken')->run();`
	for _, broken := range []struct {
		name, code, says string
		once             bool // it can be told once: PHP says it so
	}{
		{"a syntax error", "Worker::create() ->> ;", "syntax error, unexpected", true},
		{"a throw in onStart",
			`Worker::create()->onStart(function () { throw new RuntimeException('no database today'); })` + run,
			"no database today", true},
		{"an exit at boot", `exit(7);`, "7", false},
		{"an exit in onStart", `Worker::create()->onStart(function () { exit(7); })` + run, "exit()", false},
		{"a class that is missing", `Nowhere::call();`, `Class "Nowhere" not found`, true},
		{"an autoload that is missing", `require __DIR__ . '/vendor/autoload.php';`, "vendor/autoload.php", false},
		{"a worker that is never ready", `sleep(60);`, "start_timeout", true},
		{"a worker that prints much and ends", `echo str_repeat('printed at boot ', 9999);`, "printed at boot", false},
		{"a worker without a handler", `Worker::create()->run();`, "onRequest", true},
	} {
		harness.WritePHP(t, dir, broken.code)
		logged := len(h.Logs.String())
		out, code := h.Run("reload")
		if code != 1 || !strings.Contains(out, broken.says) {
			t.Errorf("%s: host reload exits %d and does not say %q:\n%s", broken.name, code, broken.says, out)
		}
		if broken.once {
			h.Logs.Await(t, broken.says)
			log := h.Logs.String()[logged:]
			if strings.Count(out, broken.says) != 1 || strings.Count(log, broken.says) != 1 {
				t.Errorf("%s: it is not told once:\n%s\nand in the log:\n%s", broken.name, out, log)
			}
		}
		if fmt.Sprint(h.PIDs()) != fmt.Sprint(before) {
			t.Errorf("%s: the workers were %v and are %v", broken.name, before, h.PIDs())
		}
		if _, got := h.Get("/hello"); got != "hello 1" {
			t.Errorf("%s: then %q", broken.name, got)
		}
	}
	harness.DeployPages(t, dir, "2")
	h.Reload()
	l.Stop()
	if _, got := h.Get("/hello"); got != "hello 2" {
		t.Errorf("with the code mended: %q", got)
	}
}

// A worker that crashes between two reloads comes back with the code of its generation; the next reload picks up the
// new one.
func TestACrashBetweenReloadsStaysOnTheOldRelease(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	for _, version := range []string{"1", "2"} {
		release := filepath.Join(site, "releases", version)
		if err := os.MkdirAll(release, 0o755); err != nil {
			t.Fatal(err)
		}
		harness.DeployPages(t, release, version)
	}
	point := func(version string) {
		os.Symlink("releases/"+version, filepath.Join(site, "new"))
		if err := os.Rename(filepath.Join(site, "new"), filepath.Join(site, "current")); err != nil {
			t.Fatal(err)
		}
	}
	point("1")
	h := harness.Start(t, "-n", "2", filepath.Join(site, "current"))
	h.Get("/hello")
	point("2")
	for _, pid := range h.PIDs() {
		harness.KillNow(t, pid)
		harness.AwaitGone(t, pid)
	}
	h.AwaitReady()
	for range 4 {
		if _, got := h.Get("/hello"); got != "hello 1" {
			t.Fatalf("a worker that crashed came back with %q", got)
		}
	}
	h.Reload()
	for range 4 {
		if _, got := h.Get("/hello"); got != "hello 2" {
			t.Fatalf("the reload brought %q", got)
		}
	}
	// A release that breaks half-way: the slots that were swapped are put back.
	harness.Write(t, filepath.Join(site, "releases/1"), "worker.php",
		strings.Replace(harness.ReadFile(t, filepath.Join(site, "releases/1/worker.php")), "Worker::create()",
			"if (file_exists('"+site+"/booted')) { throw new Error('only one of us'); } touch('"+site+"/booted');\n"+
				"Worker::create()", 1))
	point("1")
	out, code := h.Run("reload")
	if code != 1 || !strings.Contains(out, "only one of us") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for range 4 {
		if _, got := h.Get("/hello"); got != "hello 2" {
			t.Fatalf("the release that broke half-way left %q", got)
		}
	}
}

// wrk counts what a real load generator sees.
func TestWrkSeesNoErrorDuringReloads(t *testing.T) {
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "4", dir)
	var said bytes.Buffer
	wrk := exec.CommandContext(t.Context(), "wrk", "-t2", "-c32", "-d5m", h.URL+"/pid")
	wrk.Stdout, wrk.Stderr = &said, &said
	harness.Must(t, wrk.Start())
	for range 2 {
		time.Sleep(300 * time.Millisecond) // of load
		h.Reload()
	}
	wrk.Process.Signal(os.Interrupt) // it says what it saw
	harness.Must(t, wrk.Wait())
	text := said.String()
	if strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") ||
		!strings.Contains(text, " requests in ") || strings.Contains(text, " 0 requests in ") {
		t.Errorf("%s", text)
	}
	t.Logf("%s", text)
}
