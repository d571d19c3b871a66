// How the host ends: in good order, at once, and by force.

package e2e

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stop ends the host in good order, and fails the test unless it exits with 0.
func (h *host) stop() {
	h.t.Helper()
	h.kill(syscall.SIGTERM)
	h.awaitExit(20 * time.Second)
	if h.err != nil {
		h.t.Errorf("the host was stopped: %v", h.err)
	}
}

func (h *host) awaitExit(limit time.Duration) {
	h.t.Helper()
	select {
	case <-h.exited:
	case <-time.After(limit):
		h.t.Fatalf("the host did not end within %v", limit)
	}
}

// children are the processes whose parent is pid.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			n, _ := strconv.Atoi(strings.Fields(string(text))[0])
			pids = append(pids, n)
		}
	}
	return pids
}

func TestAGracefulStopUnderLoadFailsNoRequest(t *testing.T) {
	for name, stop := range map[string]func(h *host) error{
		"SIGTERM": func(h *host) error { h.kill(syscall.SIGTERM); return nil },
		"SIGINT":  func(h *host) error { h.kill(syscall.SIGINT); return nil },
		"host stop": func(h *host) error {
			if out, code := h.run("stop"); code != 0 {
				return errors.New(out)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := pages(t, "1")
			h := start(t, "-n", "3", dir)
			processes := children(t, h.cmd.Process.Pid)
			idle := h.dial()
			if err := hello(idle); err != nil {
				t.Fatal(err)
			}
			// In flight: one that the worker holds, a stream, and one in the queue.
			held, _ := begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
			stream := h.dial()
			stream.send("GET /steps?n=20&ms=50 HTTP/1.1\r\nHost: here\r\n\r\n")
			if line, err := stream.r.Peek(12); err != nil || string(line) != "HTTP/1.1 200" {
				t.Fatalf("%q %v", line, err)
			}
			slow, _ := begin(h, dir, "slow", "GET /slow?ms=500 HTTP/1.1\r\nHost: here\r\n\r\n")
			queued := h.dial()
			queued.send("GET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
			h.eventually("a request is queued", func() bool { return h.status().Pools[0].Queued == 1 })

			stopped := make(chan error, 1)
			go func() { stopped <- stop(h) }()
			h.eventually("nobody new is let in", func() bool {
				c, err := h.tryDial()
				if err != nil {
					return true
				}
				c.Close()
				return false
			})
			write(t, dir, "go", "1")
			if a := held.answer("GET"); a.text != "went 1" {
				t.Errorf("the request in flight: %s %q", a.Status, a.text)
			}
			if text, err := stream.ok("GET"); err != nil || !strings.HasSuffix(text, "end 1\n") {
				t.Errorf("the stream: %q %v", text, err)
			}
			if text, err := slow.ok("GET"); err != nil || text != "slow 1" {
				t.Errorf("the slow page: %q %v", text, err)
			}
			if text, err := queued.ok("GET"); err != nil || text != "hello 1" {
				t.Errorf("the queued request: %q %v", text, err)
			}
			h.awaitExit(20 * time.Second)
			if h.err != nil {
				t.Errorf("the host ended with %v", h.err)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			if !idle.closed() {
				t.Error("the idle connection is still open")
			}
			awaitGone(t, processes...)
			if n := strings.Count(h.logs.String(), "stopped in good order"); n != 3 {
				t.Errorf("%d of 3 workers ran their onStop", n)
			}
		})
	}
}

func TestStopNowWaitsForNobody(t *testing.T) {
	for name, stop := range map[string]func(h *host){
		"host stop --now":       func(h *host) { h.run("stop", "--now") },
		"SIGTERM and SIGTERM":   func(h *host) { h.kill(syscall.SIGTERM); h.logs.await(h.t, "stopping"); h.kill(syscall.SIGTERM) },
		"host stop, then --now": func(h *host) { go h.run("stop"); h.logs.await(h.t, "stopping"); h.run("stop", "--now") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := pages(t, "1")
			h := start(t, "-n", "2", dir)
			processes := children(t, h.cmd.Process.Pid)
			c, _ := begin(h, dir, "slow", "GET /slow?ms=60000 HTTP/1.1\r\nHost: here\r\n\r\n")
			stop(h)
			h.awaitExit(5 * time.Second)
			if a, err := c.try("GET"); err == nil && a.StatusCode < 500 {
				t.Errorf("the request in flight: %s", a.Status)
			}
			awaitGone(t, processes...)
		})
	}
}

// No orphan survives the host, not even what a worker started with system().
func TestNothingSurvivesASIGKILLOfTheHost(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "3", dir)
	_, text := h.get("/child")
	child, err := strconv.Atoi(text)
	if err != nil || !alive(child) {
		t.Fatalf("no child: %q", text)
	}
	busy, _ := begin(h, dir, "slow", "GET /slow?ms=60000 HTTP/1.1\r\nHost: here\r\n\r\n")
	processes := append(children(t, h.cmd.Process.Pid), child)
	h.kill(syscall.SIGKILL)
	h.awaitExit(5 * time.Second)
	awaitGone(t, processes...)
	if _, err := io.ReadAll(busy.r); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client in flight: %v", err)
	}
}

// A worker that ends takes what it started along, while the host lives on.
func TestAWorkersChildrenEndWithIt(t *testing.T) {
	t.Parallel()
	h := start(t, "-n", "1", pages(t, "1"))
	_, text := h.get("/child")
	child, err := strconv.Atoi(text)
	if err != nil || !alive(child) {
		t.Fatalf("no child: %q", text)
	}
	h.reload()
	awaitGone(t, child)
}
