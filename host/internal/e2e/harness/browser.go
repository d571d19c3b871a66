// A browser, and the scripts of testdata/clients that drive it.

package harness

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Chromium is the path of a browser. Without one the test is skipped.
func Chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium: .ci/setup test installs it")
	return ""
}

// Script is a program of testdata/clients, which asks for things by printing a line, and goes on when it gets one.
type Script struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr bytes.Buffer
}

// RunScript starts one with a browser that it can drive: a file's name, and its arguments. The test ends it.
func RunScript(t *testing.T, arguments ...string) *Script {
	t.Helper()
	browser := Chromium(t)
	folder := filepath.Join(Repository, "host/internal/e2e/testdata/clients")
	if _, err := os.Stat(filepath.Join(folder, "node_modules/playwright-core")); err != nil {
		t.Skip("the tests' clients are not installed: .ci/setup test does it")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &Script{t: t, cmd: exec.CommandContext(ctx, "node", arguments...)}
	s.cmd.Dir, s.cmd.Stderr, s.cmd.Env = folder, &s.stderr, append(os.Environ(), "CHROMIUM="+browser)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) } // so that it closes its browser
	s.cmd.WaitDelay = 10 * time.Second
	var err error
	s.in, err = s.cmd.StdinPipe()
	Must(t, err)
	out, err := s.cmd.StdoutPipe()
	Must(t, err)
	s.out = bufio.NewScanner(out)
	Must(t, Spawn(s.cmd))
	t.Cleanup(func() { cancel(); s.cmd.Wait() })
	return s
}

// Expect waits for the line, and has done what it asks for before the script goes on.
func (s *Script) Expect(line string, do func()) {
	s.t.Helper()
	s.Answer(line, func() string { do(); return "" })
}

// Answer is Expect for what the script is told something of: a line.
func (s *Script) Answer(line string, do func() string) {
	s.t.Helper()
	if !s.out.Scan() || s.out.Text() != line {
		s.cmd.Wait()
		s.t.Fatalf("it said %q in place of %q:\n%s", s.out.Text(), line, &s.stderr)
	}
	_, err := io.WriteString(s.in, do()+"\n")
	Must(s.t, err)
}

// Ends expects the line as the last one, and then a good end.
func (s *Script) Ends(line string) {
	s.t.Helper()
	if s.Expect(line, func() {}); s.out.Scan() {
		s.t.Errorf("it went on to say %q", s.out.Text())
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("%v:\n%s", err, &s.stderr)
	}
}
