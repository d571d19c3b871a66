//go:build unix

// Signals that only Unix has.

package operate

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestSignalsReload(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "2", dir)
	l := harness.NewLoad(h).Kept(4)
	for i, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
		version := fmt.Sprint(i + 2)
		harness.DeployPages(t, dir, version)
		h.Kill(sig)
		h.Eventually("all workers run the new code after "+sig.String(), func() bool {
			for _, w := range h.Status().Pools[0].Workers {
				if w.Generation != i+2 {
					return false
				}
			}
			return true
		})
		if _, got := h.Get("/hello"); got != "hello "+version {
			t.Errorf("after %v: %q", sig, got)
		}
	}
	l.Stop()
}

func TestSignalsReadTheConfigurationAnew(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 1")
	s.configure(t, listens(s.first, "web")+web("workers = 2"))
	s.Kill(syscall.SIGHUP)
	s.Logs.Await(t, "reload: pool web: workers 1 → 2")
	s.configure(t, listens(s.first, "web")+web("workers = 0"))
	s.Kill(syscall.SIGUSR1)
	s.Logs.Await(t, "the configuration is not applied, and nothing was changed")
	if n := s.workers("web"); n != 2 {
		t.Errorf("%d workers", n)
	}
}
