//go:build unix

// What runs beside the workers: services, and what cron runs.

package operate

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestServicesComeBackAndCronRunsOnceAndReloadsChangeThem(t *testing.T) {
	dir := harness.Pages(t, "1")
	worker, err := filepath.Glob(filepath.Join(dir, "*.php"))
	if err != nil || len(worker) == 0 {
		t.Fatal(worker, err)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user = 'root'\n"
	}
	file := filepath.Join(t.TempDir(), "host.toml")
	write := func(more string) {
		text := "state = '" + filepath.Join(filepath.Dir(file), "state") + "'\n[pool.app]\nworkers = 1\n" +
			"worker = '" + worker[0] + "'\n" + user + more
		harness.Must(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("[service.q]\npool = 'app'\ncommand = ['sh', '-c', 'exec sleep 1000']\n[[cron]]\nname = 's'\n" +
		"schedule = '* * * * * *'\npool = 'app'\ncommand = ['sh', '-c', 'echo tick']\n[[cron]]\nname = 'p'\n" +
		"schedule = '@yearly'\npath = '/hello'\n")
	h := harness.Start(t, "-c", file)
	h.Eventually("the service runs", func() bool { s := h.Status().Services; return len(s) == 1 && s[0].PID > 0 })
	before := h.Status().Services[0].PID
	syscall.Kill(before, syscall.SIGKILL)
	h.Eventually("it is back", func() bool {
		s := h.Status().Services[0]
		return s.PID > 0 && s.PID != before && s.Restarts == 1
	})
	h.Eventually("a command runs by the clock", func() bool { return strings.Contains(h.Logs.String(), "tick") })
	if out, code := h.Run("cron", "run", "p"); code != 0 || !strings.Contains(out, "p is over") {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := h.Run("cron"); code != 0 || !strings.Contains(out, "* * * * * *") {
		t.Errorf("%d: %s", code, out)
	}
	again := h.Status().Services[0].PID
	if out, code := h.Run("service", "restart", "q"); code != 0 || h.Status().Services[0].PID == again {
		t.Errorf("%d: %s", code, out)
	}
	write("[[cron]]\nname = 'other'\nschedule = '@daily'\npath = '/hello'\n")
	h.Reload()
	if s := h.Status().Services; len(s) != 0 {
		t.Errorf("%+v", s)
	}
	if out, code := h.Run("cron"); code != 0 || !strings.Contains(out, "other") || strings.Contains(out, "tick") {
		t.Errorf("%d: %s", code, out)
	}
}
