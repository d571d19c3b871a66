//go:build unix

package process

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers/internal/wait"
)

// reaperLog is safe for concurrent use.
type reaperLog struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *reaperLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *reaperLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// left is a process in a group of its own, as workers are.
func left(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	children.mu.Lock()
	children.count[c.Process.Pid]++ // else it would be an orphan's
	children.mu.Unlock()
	t.Cleanup(func() { c.Process.Kill() })
	return c
}

// killed waits until the reaper, or whoever does its work, has ended the process.
func killed(t *testing.T, c *exec.Cmd) {
	t.Helper()
	ended := make(chan struct{})
	go func() { defer close(ended); c.Wait() }()
	if !wait.Within(ended, 10*time.Second) {
		t.Fatal("it lives on")
	}
	if got := c.ProcessState.String(); got != "signal: killed" {
		t.Errorf("it ended with %s", got)
	}
}

func startTestReaper(t *testing.T) (*Reaper, *reaperLog) {
	t.Helper()
	log := new(reaperLog)
	r, err := StartReaper([]string{os.Args[0], "reaper"}, hclog.New(&hclog.LoggerOptions{Output: log}))
	if err != nil {
		t.Fatal(err)
	}
	return r, log
}

func (r *Reaper) at() (pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process.Pid
}

func TestAReaperThatWasKilledIsReplacedAndItsSuccessorKnowsEveryGroup(t *testing.T) {
	r, log := startTestReaper(t)
	before, after, gone := left(t), left(t), left(t)
	r.register(before.Process.Pid)
	r.register(gone.Process.Pid)
	first := r.at()
	syscall.Kill(first, syscall.SIGKILL)
	r.forget(gone.Process.Pid) // whether or not anybody hears it
	for r.at() == first {
		time.Sleep(time.Millisecond)
	}
	if said := log.String(); !strings.Contains(said, fmt.Sprint("pid=", first)) ||
		!strings.Contains(said, "signal: killed") {
		t.Errorf("the log says %q", said)
	}
	r.register(after.Process.Pid)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	killed(t, before)
	killed(t, after)
	if err := syscall.Kill(gone.Process.Pid, 0); err != nil {
		t.Error("one that was forgotten was killed")
	}
	gone.Process.Kill()
	gone.Wait()
}

func TestAReaperThatIsStoppedKeepsNobodyWaiting(t *testing.T) {
	r, _ := startTestReaper(t)
	c := left(t)
	r.register(c.Process.Pid)
	syscall.Kill(r.at(), syscall.SIGSTOP)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	killed(t, c)
}

func TestAReaperThatHasJustDiedLeavesItsWorkToClose(t *testing.T) {
	for name, noticed := range map[string]bool{"noticed": true, "or not": false} {
		t.Run(name, func(t *testing.T) {
			r, _ := startTestReaper(t)
			c := left(t)
			r.register(c.Process.Pid)
			syscall.Kill(r.at(), syscall.SIGKILL)
			for noticed && r.serving() {
				time.Sleep(time.Millisecond)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			killed(t, c)
		})
	}
}

func (r *Reaper) serving() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pipe != nil
}

func TestAReaperThatReadsNothingIsReplaced(t *testing.T) {
	for name, notice := range map[string]func(r *Reaper){
		"since its pipe is full": func(r *Reaper) { // there are no such processes
			r.register(1 << 30)
			r.forget(1 << 30)
		},
		"since it was looked for": func(r *Reaper) {
			if runtime.GOOS != "linux" { // elsewhere nobody can look into a pipe
				r.register(1 << 30)
				r.forget(1 << 30)
			}
			r.look()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := startTestReaper(t)
			c := left(t)
			r.register(c.Process.Pid)
			first := r.at()
			syscall.Kill(first, syscall.SIGSTOP)
			for r.at() == first {
				notice(r)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			killed(t, c)
		})
	}
}

func TestAReaperThatReadsIsLeftAlone(t *testing.T) {
	r, log := startTestReaper(t)
	first := r.at()
	for range 1000 {
		r.look()
		r.register(1 << 30)
		r.forget(1 << 30)
	}
	if r.at() != first || log.String() != "" {
		t.Errorf("it was replaced: %s", log)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
