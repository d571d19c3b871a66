package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/cli"
	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
	sdk "github.com/workerhost/workerhost/sdk-go"
)

// asProgram makes the test binary the program, or a worker of it.
const asProgram = "HOST_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asProgram) == "":
		os.Exit(m.Run())
	case len(os.Args) > 1 && os.Args[1] == "worker":
		if data, err := os.ReadFile(os.Args[2]); err == nil {
			fmt.Fprintln(os.Stderr, string(data))
			os.Exit(3)
		}
		bootAs(os.Args[2:])
		if err := sdk.Serve(http.HandlerFunc(answer)); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	default:
		os.Exit(commands().Run(os.Args[1:], cli.SystemTerminal()))
	}
}

// answer is the worker: /hold/PATH answers once there is a file of that name.
func answer(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutPrefix(r.URL.Path, "/hold"); ok {
		for _, err := os.Stat(path); err != nil && r.Context().Err() == nil; _, err = os.Stat(path) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	fmt.Fprintf(w, "pid %d", os.Getpid())
}

// serving is a host in a process of its own, with two workers.
type serving struct {
	t       *testing.T
	command *exec.Cmd
	control string
	poison  string // while this file exists, new workers fail with its text
	address string
	log     *bufio.Reader
	pipe    io.Closer // what log reads from
}

func program(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1", "NO_COLOR=1", "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
	return c
}

// serveIn starts a host whose files are in dir and that inherits some more, and waits until all its workers are up.
func serveIn(t *testing.T, dir string, inherited ...*os.File) *serving {
	t.Helper()
	s := &serving{t: t, control: filepath.Join(dir, "c.sock"), poison: filepath.Join(dir, "poison")}
	s.command = program("serve", "-l", "127.0.0.1:0", "-n", "2", "--control", s.control, "--log-format", "json", "--",
		os.Args[0], "worker", s.poison)
	s.command.ExtraFiles = inherited
	s.begin()
	listening := s.await("listening")
	s.address = listening["address"].(string)
	if listening["log"] != "host" {
		t.Errorf("a line of the log is told from others by nothing: %v", listening)
	}
	s.await("ready")
	return s
}

// serveFile is serveIn with a host.toml, to which a pool is added. It does not wait.
func serveFile(t *testing.T, dir, text string) *serving {
	t.Helper()
	s := &serving{t: t, control: filepath.Join(dir, "c.sock"), poison: filepath.Join(dir, "poison")}
	file := filepath.Join(dir, "host.toml")
	text += fmt.Sprintf("\n[pool.default]\ncommand = [%q, \"worker\", %q]\ninherit_env = [\"*\"]\n", os.Args[0],
		s.poison)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.command = program("serve", "-c", file, "-n", "2", "--control", s.control, "--log-format", "json")
	s.begin()
	return s
}

// begin starts the host; the test ends it.
func (s *serving) begin() {
	t := s.t
	t.Helper()
	stderr, err := s.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Spawn(s.command); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.command.Process.Kill()
		s.command.Wait()
	})
	s.log, s.pipe = bufio.NewReader(stderr), stderr
}

// await reads the log up to a message.
func (s *serving) await(message string) map[string]any {
	s.t.Helper()
	all := ""
	for {
		line, err := s.log.ReadString('\n')
		all += line
		if err != nil {
			s.t.Fatalf("the host never said %q:\n%s", message, all)
		}
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["@message"] == message {
			return entry
		}
	}
}

// ended reads the rest of the log and returns the exit status.
func (s *serving) ended() int {
	io.Copy(io.Discard, s.log)
	s.command.Wait()
	return s.command.ProcessState.ExitCode()
}

func (s *serving) run(args ...string) (out string, status int) {
	s.t.Helper()
	c := program(append(args, "--control", s.control)...)
	data, _ := c.CombinedOutput()
	return string(data), c.ProcessState.ExitCode()
}

func (s *serving) status() (st control.Status) {
	s.t.Helper()
	out, status := s.run("status", "--json")
	if err := json.Unmarshal([]byte(out), &st); err != nil || status != 0 {
		s.t.Fatalf("host status: %d, %v\n%s", status, err, out)
	}
	return st
}

// shortDir can hold a socket on any system.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestHostServesReloadsAndStops(t *testing.T) {
	dir := shortDir(t)
	s := serveIn(t, dir)
	answer, err := http.Get("http://" + s.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if answer.StatusCode != 200 || !strings.HasPrefix(string(body), "pid ") {
		t.Fatalf("%s %s", answer.Status, body)
	}

	out, status := s.run("reload")
	if status != 0 || strings.Count(out, "generation 2  pid") != 2 ||
		!strings.Contains(out, "reloaded: 2 workers of generation 2") {
		t.Fatalf("host reload: status %d\n%s", status, out)
	}
	st := s.status()
	if len(st.Listen) != 1 || st.Listen[0].Address != s.address || len(st.Pools) != 1 || st.Pools[0].Generation != 2 ||
		len(st.Pools[0].Workers) != 2 {
		t.Fatalf("status: %+v", st)
	}

	if out, status := s.run("reload", "nope"); status != 2 || !strings.Contains(out, "the pools are: default") {
		t.Fatalf("host reload nope: status %d\n%s", status, out)
	}
	second := program("serve", "-l", "127.0.0.1:0", "--control", s.control, "--", os.Args[0], "worker", s.poison)
	if data, _ := second.CombinedOutput(); second.ProcessState.ExitCode() != 1 ||
		!strings.Contains(string(data), fmt.Sprintf("pid %d", st.PID)) {
		t.Fatalf("a second host: %s", data)
	}
	third := program("serve", "-l", s.address, "--control", s.control+"2", "--", os.Args[0], "worker", s.poison)
	if data, _ := third.CombinedOutput(); third.ProcessState.ExitCode() != 1 ||
		!strings.Contains(string(data), "another process listens there") {
		t.Fatalf("a host on the same address: %s", data)
	}

	if out, status := s.run("stop"); status != 0 || !strings.HasPrefix(out, "stopped in ") {
		t.Fatalf("host stop: status %d\n%s", status, out)
	}
	if status := s.ended(); status != 0 {
		t.Errorf("the host exited with %d", status)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBrokenCodeIsShownAndReplacesNothing(t *testing.T) {
	s := serveIn(t, shortDir(t))
	before := s.status().Pools[0].Workers
	if err := os.WriteFile(s.poison, []byte("Parse error in line 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, status := s.run("reload")
	if status != 1 || !strings.Contains(out, "Parse error in line 3") ||
		!strings.Contains(out, "the old workers keep serving, with generation 1") {
		t.Fatalf("host reload: status %d\n%s", status, out)
	}
	out, status = s.run("reload", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var failed, last control.Event
	if last := lastLine(t, out); last.Event != "error" || last.Status != 1 ||
		!strings.Contains(last.Error, "mend pool default") {
		t.Fatalf("the end: %s", out)
	}
	err := json.Unmarshal([]byte(lines[len(lines)-3]), &failed)
	if err != nil || status != 1 || failed.Kind != control.Failed || len(failed.Running) != 1 {
		t.Fatalf("host reload --json: status %d, %v\n%s", status, err, out)
	}
	err = json.Unmarshal([]byte(lines[len(lines)-2]), &last)
	if err != nil || last.Kind != control.Summary || last.Outcome != control.NotDone || len(last.Pools) != 1 {
		t.Fatalf("the summary: %v\n%s", err, out)
	}
	after := s.status().Pools[0].Workers
	for i := range before {
		if before[i].PID != after[i].PID {
			t.Errorf("worker %d: pid %d became %d", i, before[i].PID, after[i].PID)
		}
	}
}

func TestHostThatWasKilledIsSucceeded(t *testing.T) {
	dir := shortDir(t)
	s := serveIn(t, dir)
	s.command.Process.Kill()
	s.ended()
	if out, status := s.run("status"); status != 4 || !strings.Contains(out, "was left by one that died") {
		t.Errorf("host status: status %d\n%s", status, out)
	}
	next := serveIn(t, dir)
	if st := next.status(); st.PID != next.command.Process.Pid {
		t.Errorf("pid %d answers, not %d", st.PID, next.command.Process.Pid)
	}
}
