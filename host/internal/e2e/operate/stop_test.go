// How the host ends: in good order, at once, and by force.

package operate

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAGracefulStopUnderLoadFailsNoRequest(t *testing.T) {
	for name, stop := range map[string]func(h *harness.Host) error{
		"SIGTERM": func(h *harness.Host) error { h.Kill(syscall.SIGTERM); return nil },
		"SIGTERM to the process, and to its group": func(h *harness.Host) error {
			h.Kill(syscall.SIGTERM)
			h.Kill(syscall.SIGTERM)
			return nil
		},
		"SIGINT": func(h *harness.Host) error { h.Kill(syscall.SIGINT); return nil },
		"host stop": func(h *harness.Host) error {
			if out, code := h.Run("stop"); code != 0 {
				return errors.New(out)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := harness.Pages(t, "1")
			h := harness.Start(t, "-n", "3", dir)
			processes := harness.Children(t, h.Cmd.Process.Pid)
			idle := h.Dial()
			if err := harness.Hello(idle); err != nil {
				t.Fatal(err)
			}
			// In flight: one that the worker holds, a stream, and one in the queue.
			held, _ := harness.Begin(h, dir, "until", "GET /until HTTP/1.1\r\nHost: here\r\n\r\n")
			stream := h.Dial()
			stream.Send("GET /steps?n=20&ms=50 HTTP/1.1\r\nHost: here\r\n\r\n")
			if line, err := stream.Reader.Peek(12); err != nil || string(line) != "HTTP/1.1 200" {
				t.Fatalf("%q %v", line, err)
			}
			slow, _ := harness.Begin(h, dir, "slow", "GET /slow?ms=500 HTTP/1.1\r\nHost: here\r\n\r\n")
			queued := h.Dial()
			queued.Send("GET /hello HTTP/1.1\r\nHost: here\r\n\r\n")
			h.Eventually("a request is queued", func() bool { return h.Status().Pools[0].Queued == 1 })

			stopped := make(chan error, 1)
			go func() { stopped <- stop(h) }()
			h.Eventually("nobody new is let in", func() bool {
				c, err := h.TryDial()
				if err != nil {
					return true
				}
				c.Close()
				return false
			})
			harness.Write(t, dir, "go", "1")
			if a := held.Answer("GET"); a.Text != "went 1" {
				t.Errorf("the request in flight: %s %q", a.Status, a.Text)
			}
			if text, err := stream.OK("GET"); err != nil || !strings.HasSuffix(text, "end 1\n") {
				t.Errorf("the stream: %q %v", text, err)
			}
			if text, err := slow.OK("GET"); err != nil || text != "slow 1" {
				t.Errorf("the slow page: %q %v", text, err)
			}
			if text, err := queued.OK("GET"); err != nil || text != "hello 1" {
				t.Errorf("the queued request: %q %v", text, err)
			}
			h.AwaitExit(20 * time.Second)
			if h.Err != nil {
				t.Errorf("the host ended with %v", h.Err)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			if !idle.Closed() {
				t.Error("the idle connection is still open")
			}
			harness.AwaitGone(t, processes...)
			if n := strings.Count(h.Logs.String(), "stopped in good order"); n != 3 {
				t.Errorf("%d of 3 workers ran their onStop", n)
			}
		})
	}
}

func TestStopNowWaitsForNobody(t *testing.T) {
	for name, stop := range map[string]func(h *harness.Host){
		"host stop --now": func(h *harness.Host) { h.Run("stop", "--now") },
		"SIGTERM and SIGTERM": func(h *harness.Host) {
			h.Kill(syscall.SIGTERM)
			h.Logs.Await(h.T, "stopping")
			time.Sleep(300 * time.Millisecond) // sooner it is the same one
			h.Kill(syscall.SIGTERM)
		},
		"host stop, then --now": func(h *harness.Host) {
			go h.Run("stop")
			h.Logs.Await(h.T, "stopping")
			h.Run("stop", "--now")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := harness.Pages(t, "1")
			h := harness.Start(t, "-n", "2", dir)
			processes := harness.Children(t, h.Cmd.Process.Pid)
			c, _ := harness.Begin(h, dir, "slow", "GET /slow?ms=60000 HTTP/1.1\r\nHost: here\r\n\r\n")
			stop(h)
			h.AwaitExit(5 * time.Second)
			if a, err := c.Try("GET"); err == nil && a.StatusCode < 500 {
				t.Errorf("the request in flight: %s", a.Status)
			}
			harness.AwaitGone(t, processes...)
		})
	}
}

// No orphan survives the host, not even what a worker started with system().
func TestNothingSurvivesASIGKILLOfTheHost(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "3", dir)
	_, text := h.Get("/child")
	child, err := strconv.Atoi(text)
	if err != nil || !harness.Alive(child) {
		t.Fatalf("no child: %q", text)
	}
	busy, _ := harness.Begin(h, dir, "slow", "GET /slow?ms=60000 HTTP/1.1\r\nHost: here\r\n\r\n")
	processes := append(harness.Children(t, h.Cmd.Process.Pid), child)
	h.Kill(syscall.SIGKILL)
	h.AwaitExit(5 * time.Second)
	harness.AwaitGone(t, processes...)
	if _, err := io.ReadAll(busy.Reader); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client in flight: %v", err)
	}
}

// A worker that ends takes what it started along, while the host lives on.
func TestAWorkersChildrenEndWithIt(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	_, text := h.Get("/child")
	child, err := strconv.Atoi(text)
	if err != nil || !harness.Alive(child) {
		t.Fatalf("no child: %q", text)
	}
	h.Reload()
	harness.AwaitGone(t, child)
}
