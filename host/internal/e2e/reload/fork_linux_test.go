// Workers that are forked from a template: what a reload and deaths do to their clients.

package reload

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// templates are those children of the host's that run the worker's script and have no slot.
func templates(t *testing.T, h *harness.Host) (pids []int) {
	t.Helper()
	workers := h.PIDs()
	for _, pid := range harness.Children(t, h.Cmd.Process.Pid) {
		command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !slices.Contains(workers, pid) && strings.Contains(string(command), "worker.php") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestReloadOfForkedWorkersUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 4\nfork = true", "")
	l := harness.NewLoad(h).Kept(15).Fresh(2).Http2(3)
	reloadUnderLoad(t, l.Bodies(1), 7, 4, func(version string) { harness.DeployPages(t, dir, version) })
	h.Eventually("one template is left", func() bool { return len(templates(t, h)) == 1 })
}

func TestTheDeathOfATemplateUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 4\nfork = true\nmax_requests = 100", "")
	l := harness.NewLoad(h).Kept(8)
	for range 5 {
		for _, pid := range templates(t, h) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		before := h.PIDs()
		h.Eventually("workers were forked from another one", func() bool {
			return !slices.ContainsFunc(h.PIDs(), func(pid int) bool { return slices.Contains(before, pid) })
		})
	}
	l.Stop()
}

func TestNothingOfForkedWorkersOutlivesTheHost(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 4\nfork = true", "")
	c := h.Dial()
	c.Send("GET /slow?ms=60000 HTTP/1.1\r\nHost: here\r\n\r\n")
	harness.AwaitPID(t, dir, "slow")
	all := append(h.PIDs(), templates(t, h)...)
	if len(all) != 5 {
		t.Errorf("%v are four workers and their template", all)
	}
	h.Kill(syscall.SIGKILL)
	harness.AwaitGone(t, all...)
}

// A shell or a CI runner often leaves a descriptor open that does not close by itself.
func TestCheckLeaksForksBesideWhatItsStarterLeftOpen(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	left, other, err := os.Pipe()
	harness.Must(t, err)
	defer left.Close()
	defer other.Close()
	harness.Write(t, dir, "host.toml", "[pool.app]\nworker = \"worker.php\"\nfork = true\n")
	check := exec.Command(harness.HostBinary, "check", "--leaks", "/hello", "--pool", "app")
	check.Dir, check.ExtraFiles = dir, []*os.File{left}
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
