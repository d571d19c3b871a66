//go:build unix

// Signals that only Unix has.

package e2e

import (
	"fmt"
	"syscall"
	"testing"
)

func TestSignalsReload(t *testing.T) {
	t.Parallel()
	dir := pages(t, "1")
	h := start(t, "-n", "2", dir)
	l := newLoad(h).kept(4)
	for i, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP} {
		version := fmt.Sprint(i + 2)
		deployPages(t, dir, version)
		h.kill(sig)
		h.eventually("all workers run the new code after "+sig.String(), func() bool {
			for _, w := range h.status().Pools[0].Workers {
				if w.Generation != i+2 {
					return false
				}
			}
			return true
		})
		if _, got := h.get("/hello"); got != "hello "+version {
			t.Errorf("after %v: %q", sig, got)
		}
	}
	l.stop()
}

func TestSignalsReadTheConfigurationAnew(t *testing.T) {
	t.Parallel()
	s := startSite(t, "workers = 1")
	s.configure(t, listens(s.first, "web")+web("workers = 2"))
	s.kill(syscall.SIGHUP)
	s.logs.await(t, "reload: pool web: workers 1 → 2")
	s.configure(t, listens(s.first, "web")+web("workers = 0"))
	s.kill(syscall.SIGUSR1)
	s.logs.await(t, "the configuration is not applied, and nothing was changed")
	if n := s.workers("web"); n != 2 {
		t.Errorf("%d workers", n)
	}
}
