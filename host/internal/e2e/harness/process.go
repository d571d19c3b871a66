// Processes, and the files by which workers tell of themselves.

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// AwaitFile returns what is in a file of dir once it is there, and removes it.
func AwaitFile(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			os.Remove(path)
			return string(b)
		}
	}
	t.Fatalf("the worker never wrote %s", name)
	return ""
}

// AwaitPID is AwaitFile for a file that holds a process id.
func AwaitPID(t *testing.T, dir, name string) int {
	t.Helper()
	pid, err := strconv.Atoi(AwaitFile(t, dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// Alive says whether a process runs; one that ended and waits for its parent does not.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// KillNow kills one process: 0, the pid of a slot without a worker, would stand for all of ours.
func KillNow(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("there is no process %d to kill", pid)
	}
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill() // it may have ended by itself
	}
}

// AwaitGone fails unless every process ends soon.
func AwaitGone(t *testing.T, pids ...int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, pid := range pids {
		for Alive(pid) {
			if time.Now().After(deadline) {
				t.Errorf("process %d lives on", pid)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Children are the processes whose parent is pid.
func Children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			n, _ := strconv.Atoi(strings.Fields(string(text))[0])
			pids = append(pids, n)
		}
	}
	return pids
}
