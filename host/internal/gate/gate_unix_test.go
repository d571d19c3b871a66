//go:build unix

package gate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/workers"
)

// run runs a script of the shell.
func run(ctx context.Context, t *testing.T, script string, timeout time.Duration) (said []string, err error) {
	t.Helper()
	c := Command{Launch: workers.Launch{Command: []string{"/bin/sh", "-c", script}, Directory: t.TempDir(),
		Env: []string{"PATH=" + os.Getenv("PATH"), "TARGET=here"}}, Timeout: timeout,
		StopTimeout: 100 * time.Millisecond, Said: func(line string) { said = append(said, line) }}
	err = c.Run(ctx)
	return said, err
}

func TestAGateIsPassedByTheExitStatus(t *testing.T) {
	said, err := run(context.Background(), t, "echo one; echo two $TARGET >&2; printf three", time.Minute)
	if err != nil || !slices.Equal(said, []string{"one", "two here", "three"}) {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := run(context.Background(), t, "exit 3", time.Minute); err == nil ||
		err.Error() != "it ended with exit status 3" {
		t.Errorf("%v", err)
	}
	if _, err := run(context.Background(), t, "kill -9 $$", time.Minute); err == nil ||
		!strings.Contains(err.Error(), "killed") {
		t.Errorf("%v", err)
	}
}

// started is the number of a process that a script writes, and keeps writing to a file by rename.
func started(t *testing.T, file string) int {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if data, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(data), "\n") {
			pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
			return pid
		}
	}
	t.Fatal("the script has not begun")
	return 0
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if strings.Contains(string(stat), ") Z ") { // nobody here waits for orphans
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

func TestWhatAGateStartedDoesNotOutliveIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	background := "(trap '' TERM; sh -c 'echo $$ > " + file + "; sleep 1000') & "
	wait := "while [ ! -s " + file + " ]; do sleep 0.01; done; "
	if _, err := run(context.Background(), t, background+wait, time.Minute); err != nil {
		t.Error(err)
	}
	gone(t, started(t, file))
	os.Remove(file)

	none := errors.New("given up")
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error)
	go func() { _, err := run(ctx, t, "trap '' TERM; "+background+wait+"wait", time.Minute); ended <- err }()
	pid := started(t, file)
	cancel(none)
	if err := <-ended; !errors.Is(err, none) {
		t.Error(err)
	}
	gone(t, pid)
}

func TestAGateHasATimeOutAndItsOutputABound(t *testing.T) {
	if _, err := run(context.Background(), t, "sleep 1000", time.Millisecond); err == nil ||
		err.Error() != "it did not end within 1ms" {
		t.Errorf("%v", err)
	}
	said, err := run(context.Background(), t, "head -c 100000 /dev/zero | tr '\\0' x", time.Minute)
	if all := strings.Join(said, ""); err != nil || len(all) > mostOutput+100 ||
		!strings.HasSuffix(all, "(and 34464 bytes more)") {
		t.Errorf("%d bytes, %v: %.100s", len(all), err, said[len(said)-1])
	}
}
