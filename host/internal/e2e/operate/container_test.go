//go:build linux

package operate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// below counts the processes whose parent is pid, and those of them that are zombies.
func below(t *testing.T, pid int) (all, zombies int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has gone
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // state, parent, …
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			all++
			if fields[0] == "Z" {
				zombies++
			}
		}
	}
	return all, zombies
}

func TestInAContainerOrphansAreReapedAndNoWorkersExitIsLost(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `Worker::create()->onRequest(function (Request $r): Response {
		match ($r->path) {
			'/daemon' => exec('setsid sleep 1 >/dev/null 2>&1 &'), // its parent is gone at once, and it leaves the group
			'/slow' => sleep(1),
			default => null,
		};
		return Response::text('done');
	})->run();`)
	addr := harness.FreeAddress(t)
	h := harness.LaunchAs(t, []string{harness.HostBinary, "pid1"}, addr, "-l", addr, "-n", "2", dir)
	h.AwaitReady()
	first := h.Cmd.Process.Pid
	if all, _ := below(t, first); all != 1 {
		t.Errorf("%d processes below the first one, not the host alone", all)
	}
	for range 5 {
		h.Get("/daemon")
	}
	h.Eventually("the orphans are adopted", func() bool { all, _ := below(t, first); return all > 1 })
	victim := h.Status().Pools[0].Workers[0]
	syscall.Kill(victim.PID, syscall.SIGKILL)
	h.Eventually("the worker's death is noticed", func() bool {
		w := h.Status().Pools[0].Workers[0]
		return w.Restarts == 1 && w.State == "idle" && w.PID != victim.PID
	})
	h.Eventually("no orphan is left", func() bool { all, zombies := below(t, first); return all == 1 && zombies == 0 })

	c := h.Dial()
	c.Send("GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
	h.Eventually("the request is at hand", func() bool {
		for _, w := range h.Status().Pools[0].Workers {
			if w.State == "busy" {
				return true
			}
		}
		return false
	})
	h.Kill(syscall.SIGTERM) // as docker stop does
	if a := c.Answer("GET"); a.StatusCode != 200 {
		t.Errorf("the request in flight got %s", a.Status)
	}
	<-h.Exited
	if h.Err != nil {
		t.Errorf("the first process ended with %v", h.Err)
	}
}

func TestTheFirstProcessOfAContainerExitsWithTheHostsStatus(t *testing.T) {
	t.Parallel()
	h := harness.LaunchAs(t, []string{harness.HostBinary, "pid1"}, "", "-l", "nonsense", "examples/hello-php")
	<-h.Exited
	if h.Err == nil || h.Cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("it ended with %v", h.Err)
	}
}

// What a shell would break, and what would break a build, can be seen without building.
func TestTheDockerfileNeedsNoShellAndCopiesWhatThereIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Repository, "examples/docker/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	known := regexp.MustCompile(`^(FROM|WORKDIR|COPY|RUN|USER|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD)\s+(.+)$`)
	seen := map[string]string{}
	for i, line := range strings.Split(joined, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := known.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("instruction %d is not known: %s", i+1, line)
			continue
		}
		seen[m[1]] = m[2]
		if m[1] != "COPY" || strings.Contains(m[2], "--from=") {
			continue
		}
		sources := strings.Fields(m[2])
		for _, source := range sources[:len(sources)-1] {
			if _, err := os.Stat(filepath.Join(harness.Repository, source)); err != nil {
				t.Errorf("COPY %s: %v", source, err)
			}
		}
	}
	for _, instruction := range []string{"ENTRYPOINT", "CMD"} {
		if !strings.HasPrefix(seen[instruction], "[") {
			t.Errorf("%s runs a shell, which keeps SIGTERM to itself: %s", instruction, seen[instruction])
		}
	}
	if probe := seen["HEALTHCHECK"]; !strings.HasSuffix(probe, `CMD ["host", "status", "--check"]`) {
		t.Errorf("what is healthy though no pool can serve: %s", probe)
	}
	if user := seen["USER"]; user == "" || user == "root" {
		t.Errorf("it runs as %q", user)
	}
	version, err := os.ReadFile(filepath.Join(harness.Repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(version)
	if from := fmt.Sprintf("FROM golang:%s-", wanted[1]); !strings.Contains(string(text), from) {
		t.Errorf("go.mod wants Go %s, and the image is another one", wanted[1])
	}
}
