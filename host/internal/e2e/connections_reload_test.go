// What long-lived connections are for: code changes and workers die below them, and their clients notice nothing.

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lasts is how long a claim is tested for: $CHAOS_TIME, or what is given.
func lasts(t *testing.T, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv("CHAOS_TIME")
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CHAOS_TIME: expected a duration such as 60s, found %q", text)
	}
	return d
}

// harass reloads five times, the third time with broken code, and kills a worker every two seconds, all within d; it ends on the last version, which it returns.
func harass(t *testing.T, h *host, d time.Duration, deploy func(version string), ruin func()) (last string) {
	t.Helper()
	ended := make(chan struct{})
	killer := make(chan int)
	go func() {
		kills := 0
		defer func() { killer <- kills }()
		for {
			select {
			case <-ended:
				return
			case <-time.After(2 * time.Second):
			}
			st, err := h.tryStatus()
			if err != nil {
				t.Errorf("host status, which always answers: %v", err)
				continue
			}
			if all := st.Pools[0].Workers; len(all) > 0 {
				if pid := all[rand.IntN(len(all))].PID; pid > 1 {
					p, _ := os.FindProcess(pid)
					p.Kill()
					kills++
				}
			}
		}
	}()
	began := time.Now()
	for i := range 5 {
		time.Sleep(time.Until(began.Add(d * time.Duration(i+1) / 6)))
		if i == 2 {
			ruin()
			if out, code := h.run("reload"); code != 1 {
				t.Errorf("broken code: host reload exits with %d:\n%s", code, out)
			}
			continue
		}
		last = fmt.Sprint(i + 2)
		deploy(last)
		// A reload may meet a worker that was just killed; then it says so, and is asked for once more.
		out, code := h.run("reload")
		for more := 0; code != 0 && more < 3 && hitByAFault(out); more++ {
			out, code = h.run("reload")
		}
		if code != 0 {
			t.Errorf("host reload: exit %d\n%s", code, out)
		}
	}
	time.Sleep(time.Until(began.Add(d)))
	close(ended)
	kills := <-killer
	t.Logf("five reloads, one of them with broken code, and %d workers killed in %.0f s", kills, time.Since(began).Seconds())
	return last
}

// hitByAFault says whether a reload failed because its worker was killed, stopped, or given garbage to write.
func hitByAFault(out string) bool {
	for _, trace := range []string{"signal: killed", "start_timeout", "died before it finished a request", "right after READY", "terminated"} {
		if strings.Contains(out, trace) {
			return true
		}
	}
	return false
}

func TestReloadClosesNoConnectionAndLosesNoMessage(t *testing.T) {
	t.Parallel()
	k := startTalkTCP(t, "", "workers = 4\nsurge = 2")
	c := newCrowd(t, 600*time.Millisecond)
	c.join(500, "WebSocket", func() (talker, error) { return k.socketTalker("/") })
	c.join(200, "TCP", func() (talker, error) { return k.tryLine() })
	c.visit(5, "WebSocket of a moment", func() (talker, error) { return k.socketTalker("/") })
	c.visit(5, "TCP connection of a moment", func() (talker, error) { return k.tryLine() })
	c.watch(k, 30)
	last := harass(t, k.host, lasts(t, 12*time.Second), func(version string) { k.deploy(t, version) }, func() { writePHP(t, k.dir, "this is no PHP;") })
	if _, n := k.get("/count"); len(n) != 3 || n < "730" { // and those of a moment
		t.Errorf("of 730 connections %s are left", n)
	}
	c.end()
	if c.by[last] == 0 || c.by["1"] == 0 {
		t.Errorf("versions 1 and %s should have answered, and these did: %v", last, c.by)
	}
}

// socketTalker is a WebSocket as a talker.
func (h *host) socketTalker(target string) (talker, error) {
	s, a, err := h.tryUpgrade(target)
	if err == nil && s == nil {
		err = fmt.Errorf("refused with %s", a.Status)
	}
	return s, err
}

func TestReloadsOfGoWorkersCloseNoConnectionAndLoseNoMessage(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "numbers")
	build := exec.Command("go", "build", "-o", program, "./host/internal/e2e/testdata/numbers-go")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir, addr, tcp := t.TempDir(), freeAddress(t), freeAddress(t)
	write(t, dir, "VERSION", "1")
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\n[pool.numbers]\ncommand = [%q]\nworkers = 2\n", addr, tcp, program))
	k := &talk{dir: dir, tcp: tcp, host: startWith(t, addr, "-c", filepath.Join(dir, "host.toml"))}
	c := newCrowd(t, 300*time.Millisecond)
	c.join(100, "WebSocket", func() (talker, error) { return k.socketTalker("/") })
	c.join(50, "TCP", func() (talker, error) { return k.tryLine() })
	harass(t, k.host, lasts(t, 7*time.Second), func(version string) { write(t, dir, "VERSION", version) }, func() { write(t, dir, "VERSION", "broken") })
	c.end()
}
