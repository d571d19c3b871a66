//go:build unix

// A canary in the hands of people: what it refuses, and how it is ended.

package canary

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// canary begins a reload with a canary that lasts long, and returns when clients go to it. wait gives the command's
// exit status and what it printed.
func (s *site) canary(t *testing.T, args ...string) (wait func() (int, string)) {
	t.Helper()
	var out harness.LogBuffer
	out.Grown = make(chan struct{})
	cmd := exec.Command(harness.HostBinary, append([]string{"reload", "--control", s.Control}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	harness.Must(t, cmd.Start())
	out.Await(t, "of the clients go to")
	return func() (int, string) {
		cmd.Wait()
		return cmd.ProcessState.ExitCode(), out.String()
	}
}

func (s *site) processes(t *testing.T, want int) {
	t.Helper()
	s.Eventually("no process of the canary is left", func() bool {
		php := 0
		for _, pid := range harness.Children(t, s.Cmd.Process.Pid) {
			name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
			if strings.HasPrefix(string(name), "php") {
				php++
			}
		}
		return php == want
	})
}

func TestACanaryEndsAsItIsTold(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	refuse := func(want string, args ...string) {
		t.Helper()
		out, code := s.Run("reload", args...)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("host reload %v: exit status %d\n%s", args, code, out)
		}
	}
	refuse("edited in place", "--canary", "10%")
	refuse("no canary is under way", "--promote")
	refuse("no pool that is reloaded has a canary", "--for", "2m")
	s.deploy(t, "exit(3)")
	refuse("does not start", "--canary", "10%")
	s.processes(t, 4)
	s.serves(t, "r1")

	s.deploy(t, "[]")
	wait := s.canary(t, "--canary", "10%,50%")
	refuse("a canary is under way")
	s.Kill(syscall.SIGUSR1)
	s.Logs.Await(t, "audit: refused")
	if out, _ := s.Run("status"); !strings.Contains(out, "canary: 10% of the clients at generation") ||
		!strings.Contains(out, "step 1 of 2") {
		t.Errorf("the status does not show it:\n%s", out)
	}
	out, _ := s.Run("workers", "--json")
	var all []struct{ Canary, State string }
	harness.Must(t, json.Unmarshal([]byte(out), &all))
	beside := map[string]int{}
	for _, w := range all {
		beside[w.Canary]++
	}
	if beside[""] != 4 || beside["candidate"] != 2 || beside["control"] != 2 {
		t.Errorf("host workers counts %v:\n%s", beside, out)
	}
	if out, code := s.Run("reload", "--abort"); code != 0 {
		t.Errorf("host reload --abort: exit status %d\n%s", code, out)
	}
	if code, out := wait(); code != 8 {
		t.Errorf("the reload that was aborted ended with %d\n%s", code, out)
	}
	s.processes(t, 4)
	s.serves(t, "r1")

	wait = s.canary(t, "--canary", "10%")
	if out, code := s.Run("reload", "--promote"); code != 0 {
		t.Errorf("host reload --promote: exit status %d\n%s", code, out)
	}
	if code, out := wait(); code != 0 {
		t.Errorf("the reload that was promoted ended with %d\n%s", code, out)
	}
	s.processes(t, 4)
	s.serves(t, "r3")

	s.deploy(t, "[]")
	out, code := s.Run("reload", "--canary", "10%", "--for", "1s", "--at-most", "2s")
	if code != 3 || !strings.Contains(out, "too little came") {
		t.Errorf("without clients: exit status %d\n%s", code, out)
	}
	s.serves(t, "r3")
	wait = s.canary(t, "--canary", "10%")
	s.Stop()
	if code, out := wait(); code != 10 {
		t.Errorf("the reload in a host that stops ended with %d\n%s", code, out)
	}
}

func TestAReloadBySignalHasTheCanaryOfTheSettings(t *testing.T) {
	t.Parallel()
	s := start(t, "[pool.web.canary]\nshare = \"25%\"\nfor = \"1s\"\nat_most = \"2s\"")
	s.deploy(t, "[]")
	s.Kill(syscall.SIGUSR1)
	s.Logs.Await(t, "the canary is over")
	s.processes(t, 4)
	s.serves(t, "r1")
	if out, code := s.Run("reload", "--canary=off"); code != 0 || strings.Contains(out, "canary") {
		t.Errorf("without one: exit status %d\n%s", code, out)
	}
	s.serves(t, "r2")
}

func TestTheSecretThatChoosesReachesNeitherTheApplicationNorTheLog(t *testing.T) {
	t.Parallel()
	kept := t.TempDir()
	harness.Write(t, kept, "secret", "correct-horse-battery")
	s := start(t, fmt.Sprintf("[pool.web.canary]\nsecret_file = %q\n[http]\naccess_log = \"json\"",
		filepath.Join(kept, "secret")))
	told := func(name, value, want string) {
		t.Helper()
		r, err := http.NewRequest("GET", s.URL+"/told", nil)
		harness.Must(t, err)
		r.Header.Set(name, value)
		r.Header.Set("X-Other", "stays")
		resp, err := http.DefaultClient.Do(r)
		harness.Must(t, err)
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if got := string(text); !strings.HasPrefix(got, want+" was told") || !strings.Contains(got, "stays") ||
			strings.Contains(got, "correct-horse") || strings.Contains(strings.ToLower(got), "generation") {
			t.Errorf("%s: %s, and %s is to answer:\n%s", name, value, want, got)
		}
	}
	all := func(candidate string) {
		t.Helper()
		told("X-Worker-Generation", "candidate:correct-horse-battery", candidate)
		told("Cookie", "a=b; worker_generation=candidate:correct-horse-battery", candidate)
		told("X-Worker-Generation", "control:correct-horse-battery", "r1")
	}
	all("r1")
	s.deploy(t, "[]")
	wait := s.canary(t, "--canary", "1%")
	all("r2")
	s.Run("reload", "--abort")
	wait()
	all("r1")
	if log := s.Logs.String(); !strings.Contains(log, "told of") || strings.Contains(log, "correct-horse") {
		t.Errorf("the log:\n%s", log)
	}
}
