//go:build unix

package operate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// The commands reach a host over TCP with its token, and with nothing else.
func TestAHostIsSteeredOverTCPOnlyWithItsToken(t *testing.T) {
	t.Parallel()
	dir, addr := openSite(t, `Worker::create()->onRequest(fn () => Response::text('hello'))->run();`, "")
	remote := harness.FreeAddress(t)
	for name, text := range map[string]string{"token": "correct-horse-battery\n", "wrong": "incorrect-horse-battery\n",
		"monitoring": "look-and-do-not-touch\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "host.toml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, fmt.Appendf(before, "[control]\nlisten = %q\ntoken_file = "+
		"\"token\"\n[control.tokens.monitoring]\ntoken_file = \"monitoring\"\nrights = [\"status\"]\n", remote),
		0o600); err != nil {
		t.Fatal(err)
	}
	h := harness.StartWith(t, addr, "-c", file)
	steer := func(args ...string) (string, error) {
		out, err := exec.Command(harness.HostBinary, append(args, "--control", "tcp://"+remote)...).CombinedOutput()
		return string(out), err
	}
	if out, err := steer("status", "--token-file", filepath.Join(dir, "token")); err != nil ||
		!strings.Contains(out, "app") {
		t.Errorf("host status: %v\n%s", err, out)
	}
	if out, err := steer("status", "--token-file", filepath.Join(dir, "monitoring")); err != nil {
		t.Errorf("host status with a token for that: %v\n%s", err, out)
	}
	if out, err := steer("reload", "--token-file", filepath.Join(dir, "monitoring")); err == nil ||
		!strings.Contains(out, `has not the right "reload"`) {
		t.Errorf("host reload with a token for status: %v\n%s", err, out)
	}
	if out, err := steer("reload", "-m", "release 42", "--token-file", filepath.Join(dir, "token")); err != nil ||
		!strings.Contains(out, "reloaded: 2 workers of generation 2") {
		t.Errorf("host reload: %v\n%s", err, out)
	}
	if out, err := steer("stop", "--token-file", filepath.Join(dir, "wrong")); err == nil ||
		!strings.Contains(out, "the token is missing or wrong") {
		t.Errorf("with a wrong token: %v\n%s", err, out)
	}
	if out, err := steer("stop"); err == nil || !strings.Contains(out, "give --token-file FILE") {
		t.Errorf("without a token: %v\n%s", err, out)
	}
	if code, text := h.Get("/"); code != 200 || text != "hello" {
		t.Errorf("status %d: %s", code, text)
	}
	if out, err := steer("stop", "--token-file", filepath.Join(dir, "token")); err != nil {
		t.Errorf("host stop: %v\n%s", err, out)
	}
	h.AwaitExit(20 * time.Second)
	for _, line := range []string{`audit: reload: address=127.0.0.1:`, `token=token message="release 42"`,
		`audit: a wrong token: address=127.0.0.1:`, `audit: stop: address=`, "audit: refused: address=",
		`token=monitoring act="POST /v1/reload"`} {
		if !strings.Contains(h.Logs.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, h.Logs.End())
		}
	}
}

func TestAControlSocketThatWasRemovedComesBack(t *testing.T) {
	t.Parallel()
	dir, addr := openSite(t, `Worker::create()->onRequest(fn () => Response::text('hello'))->run();`, "")
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	h.Eventually("host status tells of the host without a socket", func() bool {
		if err := os.Remove(h.Control); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		out, code := h.Run("status") // it may be back before a command has begun
		return code != 0 && strings.Contains(out, fmt.Sprintf("the host with pid %d runs", h.Cmd.Process.Pid))
	})
	h.Eventually("the socket is back", func() bool { _, err := h.TryStatus(); return err == nil })
	h.Logs.Await(t, "the control socket had been removed, and was made anew")
}
