// The application that most tests serve: testdata/pages.php, and its twin in Go.

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// pages writes the PHP application with a version into a new folder.
func pages(t *testing.T, version string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	deployPages(t, dir, version)
	return dir
}

func deployPages(t *testing.T, dir, version string) {
	t.Helper()
	writePHP(t, dir, pagesSource(t, version))
}

func pagesSource(t *testing.T, version string) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(repository, "host/internal/e2e/testdata/pages.php"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(strings.TrimPrefix(string(code), "<?php\n"), "'@VERSION@'", "'"+version+"'", 1)
}

// goPages is the Go application, built once.
var goPages = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(hostBinary), "pages")
	build := exec.Command("go", "build", "-o", path, "./host/internal/e2e/testdata/pages-go")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// goSite is a folder in which the Go application finds its version, and a host.toml that runs it there.
func goSite(t *testing.T, pool string) (dir string) {
	t.Helper()
	program, err := goPages()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	write(t, dir, "VERSION", "1")
	write(t, dir, "host.toml", fmt.Sprintf("[pool.go]\ncommand = [%q]\n%s\n", program, pool))
	return dir
}

// startPHP serves the PHP application with a host.toml: what [http] and [pool.web] say beside the worker, and whatever comes after them.
func startPHP(t *testing.T, dir, http, pool, rest string) *host {
	t.Helper()
	write(t, dir, "host.toml", fmt.Sprintf("[http]\n%s\n[pool.web]\nworker = \"worker.php\"\n%s\n%s\n", http, pool, rest))
	return start(t, "-c", filepath.Join(dir, "host.toml"))
}

// write puts a file in place, all at once.
func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// awaitFile returns what is in a file of dir once it is there, and removes it.
func awaitFile(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			os.Remove(path)
			return string(b)
		}
	}
	t.Fatalf("the worker never wrote %s", name)
	return ""
}

func awaitPID(t *testing.T, dir, name string) int {
	t.Helper()
	pid, err := strconv.Atoi(awaitFile(t, dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive says whether a process runs; one that ended and waits for its parent does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// killNow kills one process: 0, the pid of a slot without a worker, would stand for all of ours.
func killNow(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("there is no process %d to kill", pid)
	}
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill() // it may have ended by itself
	}
}

// awaitGone fails unless every process ends soon.
func awaitGone(t *testing.T, pids ...int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, pid := range pids {
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Errorf("process %d lives on", pid)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// pids are those of all workers.
func (h *host) pids() (pids []int) {
	h.t.Helper()
	for _, p := range h.status().Pools {
		for _, w := range p.Workers {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// await waits until the first pool's count of workers in a state is n.
func (h *host) await(state string, n int) {
	h.t.Helper()
	h.eventually(fmt.Sprintf("%d workers are %s", n, state), func() bool { return h.count(state) == n })
}

func (h *host) count(state string) (n int) {
	h.t.Helper()
	for _, w := range h.status().Pools[0].Workers {
		if w.State == state {
			n++
		}
	}
	return n
}

// seen counts the requests for a target that workers of pages.php saw, in all that they saw before now.
func (h *host) seen(what string) int {
	h.t.Helper()
	marker := fmt.Sprintf("/marker-%d", time.Now().UnixNano())
	for range h.status().Pools[0].Workers {
		h.get(marker)
	}
	h.logs.await(h.t, "seen GET "+marker)
	return h.begun(what)
}

// begun counts them in what the log holds by now. Lines that the log repeats in its error messages do not count.
func (h *host) begun(what string) int { return strings.Count(h.logs.String(), "[INFO]  seen "+what) }
