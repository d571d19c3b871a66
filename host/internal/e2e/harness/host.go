// A host in a process of its own, as a user starts it.

package harness

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Must ends the test if err is not nil.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Host is a running host.
type Host struct {
	T       *testing.T
	Cmd     *exec.Cmd
	Addr    string // host:port
	URL     string
	Control string
	Logs    *LogBuffer
	Exited  chan struct{} // closed when the process has ended; then err says how
	Err     error

	killed *atomic.Bool // by the test
}

// Start runs `host serve -l ADDR --control PATH args…` and waits until it answers. It is stopped at the test's end,
// and whatever its log says is shown if the test failed.
func Start(t *testing.T, args ...string) *Host {
	t.Helper()
	addr := FreeAddress(t)
	return StartWith(t, addr, append([]string{"-l", addr}, args...)...)
}

// StartWith is start for a host whose address stands in its arguments or its config.
func StartWith(t *testing.T, addr string, args ...string) *Host {
	t.Helper()
	h := Launch(t, addr, args...)
	h.AwaitReady()
	return h
}

// Launch is startWith for a host that may never be ready.
func Launch(t *testing.T, addr string, args ...string) *Host {
	t.Helper()
	return LaunchAs(t, []string{HostBinary}, addr, args...)
}

// LaunchAs is launch for a host that something else runs.
func LaunchAs(t *testing.T, program []string, addr string, args ...string) *Host {
	t.Helper()
	return launch(t, program, nil, addr, args...)
}

// LaunchPassed is launch for a host that is passed sockets as systemd does it, by their names, with colons between.
func LaunchPassed(t *testing.T, names string, sockets []*os.File, addr string, args ...string) *Host {
	t.Helper()
	return launch(t, []string{"/bin/sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh", "env",
		fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES=" + names, HostBinary}, sockets, addr, args...)
}

func launch(t *testing.T, program []string, files []*os.File, addr string, args ...string) *Host {
	t.Helper()
	dir, err := os.MkdirTemp("", "h") // short: socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &Host{
		T: t, Addr: addr, URL: "http://" + addr, Control: filepath.Join(dir, "c.sock"),
		Logs: &LogBuffer{Grown: make(chan struct{})}, Exited: make(chan struct{}), killed: new(atomic.Bool),
	}
	command := append(program, "serve", "--control", h.Control, "--log-format", "text")
	h.Cmd = exec.Command(command[0], append(command[1:], args...)...)
	h.Cmd.Dir, h.Cmd.ExtraFiles = Repository, files
	h.Cmd.Stderr, h.Cmd.Stdout = h.Logs, h.Logs
	if err := Spawn(h.Cmd); err != nil {
		t.Fatal(err)
	}
	go func() { h.Err = h.Cmd.Wait(); close(h.Exited) }()
	t.Cleanup(func() {
		ended := false
		select {
		case <-h.Exited:
			ended = true // the test saw to it
		default:
			h.Kill(syscall.SIGTERM)
		}
		select {
		case <-h.Exited:
			if !ended && !h.killed.Load() && h.Err != nil {
				t.Errorf("on SIGTERM the host ended with %v", h.Err)
			}
		case <-time.After(20 * time.Second):
			h.Kill(syscall.SIGQUIT) // the stacks say why
			<-h.Exited
			t.Errorf("the host did not stop on SIGTERM")
		}
		if t.Failed() {
			t.Logf("the end of the host's log:\n%s", h.Logs.End())
		}
	})
	return h
}

// Kill sends the host a signal.
func (h *Host) Kill(sig syscall.Signal) {
	if sig == syscall.SIGKILL {
		h.killed.Store(true)
	}
	h.Cmd.Process.Signal(sig)
}

// AwaitReady returns when every worker is up.
func (h *Host) AwaitReady() {
	h.T.Helper()
	h.Eventually("the workers are ready", func() bool {
		st, err := h.TryStatus()
		if err != nil {
			return false
		}
		for _, p := range st.Pools {
			if len(p.Workers) == 0 { // not begun
				return false
			}
			for _, w := range p.Workers {
				if w.State != "idle" && w.State != "busy" {
					return false
				}
			}
		}
		conn, err := net.Dial("tcp", h.Addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// Eventually polls, since what it waits for happens in another process.
func (h *Host) Eventually(what string, cond func() bool) {
	h.T.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
		select {
		case <-h.Exited:
			h.T.Fatalf("the host ended (%v) before %s:\n%s", h.Err, what, h.Logs.End())
		default:
		}
	}
	h.T.Fatalf("it never came about that %s", what)
}

// Run runs `host COMMAND --control … args…` and returns what it printed and its exit status.
func (h *Host) Run(command string, args ...string) (output string, code int) {
	h.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, HostBinary, append([]string{command, "--control", h.Control}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.T.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Reload runs `host reload` and fails the test unless it succeeds.
func (h *Host) Reload() string {
	h.T.Helper()
	out, code := h.Run("reload")
	if code != 0 {
		h.T.Fatalf("host reload: exit %d\n%s", code, out)
	}
	return out
}

// Get fetches a path and returns status and body.
func (h *Host) Get(path string) (int, string) {
	h.T.Helper()
	resp, err := http.Get(h.URL + path)
	if err != nil {
		h.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.T.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, string(body)
}

// Seen counts the requests for a target that workers of pages.php saw, in all that they saw before now.
func (h *Host) Seen(what string) int {
	h.T.Helper()
	marker := fmt.Sprintf("/marker-%d", time.Now().UnixNano())
	for range h.Status().Pools[0].Workers {
		h.Get(marker)
	}
	h.Logs.Await(h.T, "seen GET "+marker)
	return h.Begun(what)
}

// Begun counts them in what the log holds by now. Lines that the log repeats in its error messages do not count.
func (h *Host) Begun(what string) int { return strings.Count(h.Logs.String(), "[INFO]  seen "+what) }

// Stop ends the host in good order, and fails the test unless it exits with 0.
func (h *Host) Stop() {
	h.T.Helper()
	h.Kill(syscall.SIGTERM)
	h.AwaitExit(20 * time.Second)
	if h.Err != nil {
		h.T.Errorf("the host was stopped: %v", h.Err)
	}
}

// AwaitExit fails the test unless the host ends within limit.
func (h *Host) AwaitExit(limit time.Duration) {
	h.T.Helper()
	select {
	case <-h.Exited:
	case <-time.After(limit):
		h.T.Fatalf("the host did not end within %v", limit)
	}
}

const answering = `Worker::create()->onRequest(fn () => Response::text(%s))->run();`

// AnsweringWith is the code of a worker that answers each request with the value of a PHP expression.
func AnsweringWith(expression string) string { return strings.Replace(answering, "%s", expression, 1) }
