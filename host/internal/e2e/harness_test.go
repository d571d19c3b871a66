// Package e2e drives the real host with real workers over real sockets, as a user would.
//
// harness_test.go builds the host once and starts, reloads and stops it for the tests.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	hostBinary string // built by TestMain
	repository string // the project's root
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "e2e")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if repository, err = filepath.Abs("../../.."); err != nil {
			panic(err)
		}
		hostBinary = filepath.Join(dir, "host")
		build := exec.Command("go", "build", "-o", hostBinary, "./host")
		build.Dir = repository
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "the host does not build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// host is a running host.
type host struct {
	t       *testing.T
	cmd     *exec.Cmd
	addr    string // host:port
	url     string
	control string
	logs    *logBuffer
	exited  chan struct{} // closed when the process has ended; then err says how
	err     error
}

// logBuffer keeps what the host wrote to stderr. It is safe for concurrent use.
type logBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	grown chan struct{}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.grown)
	l.grown = make(chan struct{})
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// end is the last part of the log, as much as somebody may want to read.
func (l *logBuffer) end() string {
	text := l.String()
	return text[max(0, len(text)-32<<10):]
}

// await returns when the log contains text.
func (l *logBuffer) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		found, grown := strings.Contains(l.b.String(), text), l.grown
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("the log never said %q:\n%s", text, l.end())
		}
	}
}

var addressesGiven sync.Map // address => true

// freeAddress is a loopback address that nobody listens on, and that no other test is given. Its port is below those that systems take for clients: one of them
// would otherwise, now and then, have it before the host does.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000))
		if _, given := addressesGiven.LoadOrStore(address, true); given {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no address is free")
	return ""
}

// start runs `host serve -l ADDR --control PATH args…` and waits until it answers. It is stopped at the test's end, and whatever its log says is
// shown if the test failed.
func start(t *testing.T, args ...string) *host {
	t.Helper()
	addr := freeAddress(t)
	return startWith(t, addr, append([]string{"-l", addr}, args...)...)
}

// startWith is start for a host whose address stands in its arguments or its config.
func startWith(t *testing.T, addr string, args ...string) *host {
	t.Helper()
	h := launch(t, addr, args...)
	h.awaitReady()
	return h
}

// launch is startWith for a host that may never be ready.
func launch(t *testing.T, addr string, args ...string) *host {
	t.Helper()
	return launchAs(t, []string{hostBinary}, addr, args...)
}

// launchAs is launch for a host that something else runs.
func launchAs(t *testing.T, program []string, addr string, args ...string) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "h") // short: socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &host{
		t: t, addr: addr, url: "http://" + addr, control: filepath.Join(dir, "c.sock"),
		logs: &logBuffer{grown: make(chan struct{})}, exited: make(chan struct{}),
	}
	command := append(program, "serve", "--control", h.control, "--log-format", "text")
	h.cmd = exec.Command(command[0], append(command[1:], args...)...)
	h.cmd.Dir = repository
	h.cmd.Stderr, h.cmd.Stdout = h.logs, h.logs
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.err = h.cmd.Wait(); close(h.exited) }()
	t.Cleanup(func() {
		ended := false
		select {
		case <-h.exited:
			ended = true // the test saw to it
		default:
			h.kill(syscall.SIGTERM)
		}
		select {
		case <-h.exited:
			if !ended && h.err != nil {
				t.Errorf("on SIGTERM the host ended with %v", h.err)
			}
		case <-time.After(20 * time.Second):
			h.kill(syscall.SIGQUIT) // the stacks say why
			<-h.exited
			t.Errorf("the host did not stop on SIGTERM")
		}
		if t.Failed() {
			t.Logf("the end of the host's log:\n%s", h.logs.end())
		}
	})
	return h
}

func (h *host) kill(sig syscall.Signal) { h.cmd.Process.Signal(sig) }

// awaitReady returns when every worker is up.
func (h *host) awaitReady() {
	h.t.Helper()
	h.eventually("the workers are ready", func() bool {
		st, err := h.tryStatus()
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
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// eventually polls, since what it waits for happens in another process.
func (h *host) eventually(what string, cond func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if cond() {
			return
		}
		select {
		case <-h.exited:
			h.t.Fatalf("the host ended (%v) before %s:\n%s", h.err, what, h.logs.end())
		default:
		}
	}
	h.t.Fatalf("it never came about that %s", what)
}

// status is what `host status --json` promises.
type status struct {
	Version string
	Uptime  float64 `json:"uptime_seconds"`
	Pools   []struct {
		Name       string
		Generation int
		Queued     int
		Workers    []struct {
			Slot       int
			PID        int
			State      string
			Generation int
			Requests   int
			Memory     int64 `json:"memory_bytes"`
			Restarts   int
			Restarted  string
		}
	}
}

func (h *host) tryStatus() (st status, err error) {
	out, err := exec.Command(hostBinary, "status", "--json", "--control", h.control).Output()
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(out, &st)
}

func (h *host) status() status {
	h.t.Helper()
	st, err := h.tryStatus()
	if err != nil {
		h.t.Fatalf("host status: %v", err)
	}
	return st
}

// run runs `host COMMAND --control … args…` and returns what it printed and its exit status.
func (h *host) run(command string, args ...string) (output string, code int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, hostBinary, append([]string{command, "--control", h.control}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// reload runs `host reload` and fails the test unless it succeeds.
func (h *host) reload() string {
	h.t.Helper()
	out, code := h.run("reload")
	if code != 0 {
		h.t.Fatalf("host reload: exit %d\n%s", code, out)
	}
	return out
}

// get fetches a path and returns status and body.
func (h *host) get(path string) (int, string) {
	h.t.Helper()
	resp, err := http.Get(h.url + path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, string(body)
}

// phpWorker writes a worker.php with the given code, which follows the SDK's autoload, and returns its folder.
func phpWorker(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	writePHP(t, dir, code)
	return dir
}

// writePHP replaces the worker.php in dir, all at once.
func writePHP(t *testing.T, dir, code string) {
	t.Helper()
	source := "<?php\nrequire " + fmt.Sprintf("%q", filepath.Join(repository, "sdk-php/autoload.php")) + ";\n" +
		"use WorkerHost\\Worker;\nuse WorkerHost\\Http\\{Request, Response};\n" + code
	temporary := filepath.Join(dir, ".worker.php.new")
	if err := os.WriteFile(temporary, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, "worker.php")); err != nil {
		t.Fatal(err)
	}
}
