//go:build unix

// What goes wrong under php-fpm: slow requests, hung and killed children, masters that don't start, too many clients.

package reload

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// busyChild waits for a child that is at work for a request, and gives its number and how long it has been.
func busyChild(h *harness.Host, request string) (pid int, running float64) {
	h.Eventually("a child has "+request, func() bool {
		for _, c := range h.Status().Pools[0].Workers[0].Children {
			if c.State == "busy" && c.Request == request && c.Memory > 0 {
				pid, running = c.PID, c.Running
				return true
			}
		}
		return false
	})
	return pid, running
}

func TestASlowRequestOfUnmodifiedPHPIsShownAndTraced(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "slow_request = \"1s\"\nslow_trace = true\n")
	h.Get("/hello")
	answered := make(chan string)
	go func() {
		_, text := h.Get("/long?token=secret")
		answered <- text
	}()
	pid, running := busyChild(h, "GET /long")
	if n := len(h.Status().Pools[0].Workers[0].Children); n != 4 || running > 3 {
		t.Errorf("%d children, at work for %v s", n, running)
	}
	if out, _ := h.Run("status"); !strings.Contains(out, "GET /long\n") || !strings.Contains(out, "RUNNING  REQUEST") {
		t.Errorf("host status shows\n%s", out)
	}
	h.Logs.Await(t, "where PHP stands in a slow request")
	if text := <-answered; text != "long 1" {
		t.Errorf("the trace changed the answer: %q", text)
	}
	h.Eventually("nobody is at work", func() bool {
		for _, c := range h.Status().Pools[0].Workers[0].Children {
			if c.State != "idle" || c.Request != "" {
				return false
			}
		}
		return true
	})
	h.Stop()
	logs := h.Logs.String()
	for what, times := range map[string]int{
		"where PHP stands": 1, "sleep() /": 1, "deep() /": 1, fmt.Sprintf("child=%d", pid): 1, "site/index.php:5": 1,
		"too slow": 0, // php-fpm's own word of it
	} {
		if n := strings.Count(logs, what); n != times {
			t.Errorf("the log has %q %d times", what, n)
		}
	}
}

func TestAHungChildIsReplacedWithAdviceForPHPFPM(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "request_timeout = \"1s\"\ndrain_timeout = \"1s\"\nstop_timeout = \"1s\"\n")
	master := h.Status().Pools[0].Workers[0].PID
	if code, _ := h.Get("/spin"); code != http.StatusGatewayTimeout {
		t.Errorf("%d", code)
	}
	h.Eventually("a new master has taken over, and the old one is gone", func() bool {
		w := h.Status().Pools[0].Workers
		return len(w) == 1 && w[0].PID != master && w[0].State == "idle"
	})
	if code, text := h.Get("/hello"); code != 200 {
		t.Errorf("after it: %d %q", code, text)
	}
	h.Logs.Await(t, "slow_trace = true")
	if logs := h.Logs.String(); strings.Contains(logs, "pcntl") || strings.Contains(logs, "epoll") {
		t.Errorf("the advice is for another kind of worker:\n%s", logs)
	}
	h.Stop()
}

func TestAFullSiteTurnsClientsAwayAndRecovers(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "queue = 2\n")
	var asked sync.WaitGroup
	var served, turned int
	var mu sync.Mutex
	for range 9 {
		asked.Go(func() {
			resp, err := http.Get(h.URL + "/slow")
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case resp.StatusCode == 200:
				served++
			case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
				turned++
			default:
				t.Errorf("%s %v", resp.Status, resp.Header)
			}
		})
	}
	asked.Wait()
	if served != 6 || turned != 3 { // 4 children, 2 places
		t.Errorf("%d were served, %d turned away", served, turned)
	}
	if code, text := h.Get("/hello"); code != 200 || text != "hello 1" {
		t.Errorf("after it: %d %q", code, text)
	}
	h.Stop()
}

func TestTheDeathOfAChildFailsItsRequestAlone(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "")
	load := harness.NewLoad(h).Kept(1)
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		answered := make(chan int)
		go func() {
			r, _ := http.NewRequest(method, h.URL+"/long", nil)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				answered <- 0
				return
			}
			resp.Body.Close()
			answered <- resp.StatusCode
		}()
		pid, _ := busyChild(h, method+" /long")
		syscall.Kill(pid, syscall.SIGKILL)
		want := map[string]int{http.MethodPost: 502, http.MethodGet: 200}[method] // a safe one is tried again
		if code := <-answered; code != want {
			t.Errorf("%s: %d", method, code)
		}
	}
	load.Stop()
	h.Stop()
}

func TestAMasterThatDoesNotStartLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	dir, h := startSite(t, "")
	before, err := os.ReadFile(filepath.Join(dir, "host.toml"))
	harness.Must(t, err)
	fpm := func(name, then string) string {
		harness.Write(t, dir, name, "#!/bin/sh\n[ \"$1\" = -v ] && { echo 'PHP 8.2.0 (fpm-fcgi)'; exit; }\n"+then+"\n")
		harness.Must(t, os.Chmod(filepath.Join(dir, name), 0o755))
		return fmt.Sprintf("php = %q\n", filepath.Join(dir, name))
	}
	for _, c := range []struct{ what, settings, why string }{
		{"is killed at once", fpm("killed", "kill -9 $$"), "signal: killed"},
		{"says why it ends", fpm("wrong", "echo no such thing >&2; exit 78"), "no such thing"},
		{"never listens", fpm("silent", "exec sleep 60") + "start_timeout = \"1s\"\n", "start_timeout (1s)"},
		{"dies in its warm-up", "warmup = [\"/killed\"]\n", "warm-up"},
	} {
		harness.Write(t, dir, "host.toml", string(before)+c.settings)
		if out, code := h.Run("reload"); code == 0 || !strings.Contains(out, c.why) {
			t.Errorf("one that %s: exit %d\n%s", c.what, code, out)
		}
		if code, text := h.Get("/hello"); code != 200 {
			t.Errorf("after one that %s: %d %q", c.what, code, text)
		}
	}
	harness.Write(t, dir, "host.toml", string(before))
	h.Reload()
	h.Stop()
}

func TestTwoHostsServeOneFolder(t *testing.T) {
	t.Parallel()
	dir, h := startSite(t, "")
	other := harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	load := harness.NewLoad(h).Kept(2)
	for range 2 {
		other.Reload()
		if code, text := other.Get("/hello"); code != 200 {
			t.Errorf("%d %q", code, text)
		}
	}
	other.Stop()
	load.Stop()
	h.Stop()
}

func TestAConfinedSiteIsServed(t *testing.T) {
	t.Parallel()
	_, h := startSite(t, "confine = { optional = true }\n") // where the kernel can't, it is a site like any other
	for range 2 {
		if code, text := h.Get("/hello"); code != 200 || text != "hello 1" {
			t.Errorf("%d %q", code, text)
		}
		h.Reload()
	}
	h.Stop()
}
