//go:build unix

// A reaper that does not answer any more.

package operate

import (
	"slices"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// stopReaper stops what the host has started beside its workers. It holds the host's stderr until it is ended.
func stopReaper(t *testing.T, h *harness.Host) (end func()) {
	t.Helper()
	var stopped []int
	for _, pid := range harness.Children(t, h.Cmd.Process.Pid) {
		if !slices.Contains(h.PIDs(), pid) {
			stopped = append(stopped, pid)
			syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	if len(stopped) != 1 {
		t.Errorf("beside its workers the host has %v, not the reaper alone", stopped)
	}
	end = func() {
		for _, pid := range stopped {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	t.Cleanup(end)
	return end
}

func TestAHostWhoseReaperIsStoppedEndsAllTheSame(t *testing.T) {
	t.Parallel()
	h := harness.Start(t, "-n", "1", harness.Pages(t, "1"))
	stopReaper(t, h)
	h.Stop()
}
