//go:build unix

package service

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/workerhost/workerhost/workers"
)

// logged is a log that several write to.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// script starts a service that is one of the shell.
func script(t *testing.T, text string, change func(*Settings)) (*Service, *logged) {
	t.Helper()
	log := &logged{}
	folder := t.TempDir()
	s := Settings{StopSignal: syscall.SIGTERM, StopTimeout: 10 * time.Second, LogRate: -1,
		Launch: func() (workers.Launch, error) {
			return workers.Launch{Command: []string{"/bin/sh", "-c", text}, Directory: folder,
				Env: []string{"PATH=" + os.Getenv("PATH")}}, nil
		}}
	change(&s)
	v := Start(s, hclog.New(&hclog.LoggerOptions{Output: log}))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		v.Stop(now)
	})
	return v, log
}

// until waits for a process to do something.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within its time: " + what)
		}
	}
}

func TestAServiceThatIsKilledComesBackAndNothingOfItStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	v, log := script(t, `sleep 1000 & echo $! >>`+file+`; echo "ERROR: up"; wait`, func(*Settings) {})
	until(t, "a first process", func() bool { return strings.Contains(log.String(), "[ERROR] ERROR: up") })
	first := v.Status()
	if first.State != Running || first.PID == 0 {
		t.Fatalf("%+v", first)
	}
	child, _ := os.ReadFile(file)
	syscall.Kill(first.PID, syscall.SIGKILL)
	until(t, "a second one", func() bool { st := v.Status(); return st.PID != 0 && st.PID != first.PID })
	if st := v.Status(); st.Restarts != 1 || !strings.Contains(st.Last, "killed") {
		t.Errorf("%+v", st)
	}
	until(t, "the end of what it had started", func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestAServiceIsStoppedByItsSignalAndKilledWhenItDoesNotHeedIt(t *testing.T) {
	v, log := script(t, `trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.01; done`,
		func(s *Settings) { s.StopSignal = syscall.SIGINT })
	until(t, "its start", func() bool { return strings.Contains(log.String(), "up") })
	v.Stop(context.Background())
	if st := v.Status(); st.State != Stopped || st.PID != 0 || !strings.Contains(log.String(), "bye") {
		t.Errorf("%+v\n%s", st, log)
	}
	v.Stop(context.Background())
	if err := v.Restart(context.Background()); err == nil {
		t.Error("a stopped service was restarted")
	}
	deaf, log := script(t, `trap '' TERM; echo up; while :; do sleep 0.01; done`,
		func(s *Settings) { s.StopTimeout = time.Millisecond })
	until(t, "its start", func() bool { return strings.Contains(log.String(), "up") })
	deaf.Stop(context.Background())
	if !strings.Contains(log.String(), "does not stop within stop_timeout") {
		t.Error(log)
	}
}

func TestARestartASignalAndOtherSettingsReachTheProcess(t *testing.T) {
	v, log := script(t, `trap 'echo hup' HUP; echo up; while :; do sleep 0.01; done`, func(*Settings) {})
	until(t, "its start", func() bool { return strings.Contains(log.String(), "up") })
	v.Signal(syscall.SIGHUP)
	until(t, "the signal", func() bool { return strings.Contains(log.String(), "hup") })
	before := v.Status().PID
	if err := v.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	if st := v.Status(); st.PID == before || st.Restarts != 1 {
		t.Errorf("%+v", st)
	}
	v.Change(Settings{StopSignal: syscall.SIGTERM, StopTimeout: time.Second, LogRate: -1,
		Launch: func() (workers.Launch, error) {
			return workers.Launch{Command: []string{"/bin/sh", "-c", "echo other; sleep 1000"}, Directory: "/"}, nil
		}})
	until(t, "the other program", func() bool { return strings.Contains(log.String(), "other") })
}

func TestAProgramThatIsAbsentIsTriedAgainAndSaysWhy(t *testing.T) {
	v, log := script(t, "", func(s *Settings) {
		s.Launch = func() (workers.Launch, error) {
			return workers.Launch{Command: []string{"/does/not/exist"}, Directory: "/"}, nil
		}
	})
	until(t, "a second try", func() bool { return v.Status().Restarts > 1 })
	if st := v.Status(); st.State != BackingOff || !strings.Contains(st.Last, "/does/not/exist") {
		t.Errorf("%+v\n%s", st, log)
	}
	v.Stop(context.Background())
}

func TestMemoryOfAServiceIsThatOfAllThatItStarts(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("there is no /proc")
	}
	v, log := script(t, `sh -c 'x=$(head -c 30000000 /dev/zero | tr "\0" x); sleep 1000' & wait`,
		func(s *Settings) { s.MaxMemory = 25 << 20 })
	until(t, "a restart", func() bool { return strings.Contains(log.String(), "more memory than max_memory") })
	until(t, "a restart", func() bool { return strings.Contains(v.Status().Last, "more than max_memory") })
}
