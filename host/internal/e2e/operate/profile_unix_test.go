//go:build unix

package operate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// profiled is a host with a pool in Go and two workers in PHP, all of which are busy in burnHere when asked.
func profiled(t *testing.T) *harness.Host {
	dir := harness.GoSite(t, "workers = 1\n[pool.php]\nworker = 'worker.php'\nworkers = 2\n"+
		"[[route]]\npath = '/php'\npool = 'php'\n[[route]]\npath = '/*'\npool = 'go'\n")
	harness.WritePHP(t, dir, `function burnHere(float $lasts): void { $until = microtime(true) + $lasts;
		while (microtime(true) < $until) { for ($i = 0; $i < 1000; ++$i) {} } }
		Worker::create()->onRequest(function (Request $r) { burnHere($r->query['ms'] / 1000); return 'done'; })->run();`)
	return harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
}

// busy asks for a path again and again, until the returned function is called.
func busy(h *harness.Host, path string) (enough func()) {
	load := harness.NewLoad(h)
	load.Run(1, path, func() error {
		if status, text := h.Get(path); status != 200 {
			return fmt.Errorf("%s: %d %s", path, status, text)
		}
		return nil
	})
	return load.Stop
}

// top is go tool pprof's table of a profile.
func top(t *testing.T, file string, args ...string) string {
	t.Helper()
	text := harness.ReadFile(t, file)
	if !strings.HasPrefix(text, "\x1f\x8b") {
		t.Fatalf("%s is no gzip: %.100q", file, text)
	}
	args = append(append([]string{"tool", "pprof", "-top"}, args...), file)
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof: %v\n%s", err, out)
	}
	return string(out)
}

func TestAProfileShowsWhatABusyWorkerDoes(t *testing.T) {
	t.Parallel()
	h := profiled(t)
	dir := t.TempDir()
	take := func(file, says string, args ...string) string {
		file = filepath.Join(dir, file)
		out, code := h.Run("profile", append(args, "-o", file)...)
		info, err := os.Stat(file)
		if code != 0 || !strings.Contains(out, says) || err != nil || info.Mode() != 0o600 {
			t.Fatalf("host profile %v: exit %d, %v\n%s", args, code, err, out)
		}
		return file
	}

	enough := busy(h, "/burn?ms=50")
	cpu := take("cpu", "s, of worker 0 of pool go (pid ", "go", "--cpu", "1s")
	if text := top(t, cpu); !strings.Contains(text, "main.burnHere") {
		t.Errorf("of processor time:\n%s", text)
	}
	enough()
	text := top(t, take("heap", "a profile of heap, of worker 0", "go/0", "--heap"))
	if !strings.Contains(text, "inuse_space") {
		t.Errorf("of the heap:\n%s", text)
	}
	text = top(t, take("stacks", "a profile of goroutine, of worker 0", "go", "--goroutine"), "-cum")
	if !strings.Contains(text, "sdk-go.(*link).read") {
		t.Errorf("of goroutines:\n%s", text)
	}

	enough = busy(h, "/php?ms=50")
	folded := harness.ReadFile(t, take("php", "of the 2 workers of pool php: ", "php", "--cpu", "1s"))
	enough()
	var stack string
	for line := range strings.Lines(folded) {
		if strings.Contains(line, ";burnHere ") {
			stack = line
		}
	}
	if !strings.HasPrefix(stack, "{main} (") || !strings.Contains(stack, "WorkerHost\\Worker->run;") {
		t.Errorf("folded stacks:\n%s", folded)
	}
	if strings.Contains(h.Logs.String(), "burnHere") {
		t.Error("stacks are in the log")
	}

	if text := top(t, take("host", "s, of the host", "--cpu", "1s")); !strings.Contains(text, "File: host") {
		t.Errorf("of the host:\n%s", text)
	}
	text = top(t, take("hosts", "of the host", "--goroutine"), "-cum")
	if !strings.Contains(text, "serve.(*host)") {
		t.Errorf("of the host's goroutines:\n%s", text)
	}

	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"php --heap", "only says where its code stands, of which one of cpu can be made", 1},
		{"php --cpu 100ms", "no request ran within 100ms in pool php", 1},
		{"go/7", "pool go has no worker 7 now; it has 1, from 0 on", 1},
		{"nosuch", `there is no pool "nosuch"; the pools are: go, php`, 2},
		{"go --cpu 6m", "at most 5m, found 6m0s", 2},
		{"go --heap --goroutine", "one profile at a time", 2},
		{"go/x", "expected POOL or POOL/SLOT", 2},
	} {
		if out, code := h.Run("profile", strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("host profile %s: exit %d\n%s", c.args, code, out)
		}
	}
}

// profiling is a command that runs.
type profiling struct {
	cmd   *exec.Cmd
	out   strings.Builder
	ended chan struct{} // closed when it has; nil: it was not started
}

func (p *profiling) start(t *testing.T, args []string) {
	p.out.Reset()
	p.cmd, p.ended = exec.Command(harness.HostBinary, args...), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	harness.Must(t, p.cmd.Start())
	go func() { p.cmd.Wait(); close(p.ended) }()
}

// wait waits for its end, and gives the exit status.
func (p *profiling) wait() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

func (p *profiling) runs() bool {
	select {
	case <-p.ended:
		return false
	default:
		return p.ended != nil
	}
}

func TestAnInterruptAndAReloadEndAProfile(t *testing.T) {
	t.Parallel()
	h := profiled(t)
	begin := func(args ...string) *profiling {
		p := &profiling{}
		h.Eventually("the worker is being profiled", func() bool {
			if !p.runs() { // not yet, or the look below had the turn
				p.start(t, append([]string{"profile", "--control", h.Control, "go", "--cpu", "5m"}, args...))
			}
			out, _ := h.Run("profile", "go", "--cpu", "10ms", "-o", "/dev/null")
			return strings.Contains(out, "is being profiled already")
		})
		return p
	}

	p := begin()
	harness.Must(t, p.cmd.Process.Signal(syscall.SIGINT))
	if code := p.wait(); code != 130 || !strings.Contains(p.out.String(), "nothing is kept of it") {
		t.Errorf("exit %d\n%s", code, &p.out)
	}
	h.Eventually("another one can be taken", func() bool {
		_, code := h.Run("profile", "go", "--cpu", "10ms", "-o", "/dev/null")
		return code == 0
	})

	file := filepath.Join(t.TempDir(), "cpu")
	p = begin("-o", file)
	h.Reload()
	if code := p.wait(); code != 0 || !strings.Contains(p.out.String(), "it ended early, as its worker did") {
		t.Fatalf("exit %d\n%s", code, &p.out)
	}
	top(t, file)
}
