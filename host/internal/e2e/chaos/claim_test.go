// What long-lived connections are for: code changes and workers die below them, and their clients notice nothing.

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
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

// harass reloads five times, the third time with broken code, and kills a worker every two seconds, all within d; it
// ends on the last version, which it returns.
func harass(t *testing.T, h *harness.Host, d time.Duration, deploy func(version string), ruin func()) (last string) {
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
			st, err := h.TryStatus()
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
			if out, code := h.Run("reload"); code != 1 {
				t.Errorf("broken code: host reload exits with %d:\n%s", code, out)
			}
			continue
		}
		last = fmt.Sprint(i + 2)
		deploy(last)
		// A reload may meet a worker that was just killed; then it says so, and is asked for once more.
		out, code := h.Run("reload")
		for more := 0; code != 0 && more < 3 && hitByAFault(out); more++ {
			out, code = h.Run("reload")
		}
		if code != 0 {
			t.Errorf("host reload: exit %d\n%s", code, out)
		}
	}
	time.Sleep(time.Until(began.Add(d)))
	close(ended)
	kills := <-killer
	t.Logf("five reloads, one of them with broken code, and %d workers killed in %.0f s", kills,
		time.Since(began).Seconds())
	return last
}

// hitByAFault says whether a reload failed because its worker was killed, stopped, or given garbage to write.
func hitByAFault(out string) bool {
	for _, trace := range []string{"signal: killed", "start_timeout", "died before it finished a request",
		"right after READY", "terminated"} {
		if strings.Contains(out, trace) {
			return true
		}
	}
	return false
}

func TestReloadClosesNoConnectionAndLosesNoMessage(t *testing.T) {
	t.Parallel()
	k := harness.StartTalkTCP(t, "", "workers = 4\nsurge = 2")
	c := harness.NewCrowd(t, time.Second)
	c.Join(500, "WebSocket", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Join(200, "TCP", func() (harness.Talker, error) { return k.TryLine() })
	c.Visit(5, "WebSocket of a moment", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Visit(5, "TCP connection of a moment", func() (harness.Talker, error) { return k.TryLine() })
	c.Watch(k, 30)
	last := harass(t, k.Host, lasts(t, 6*time.Second), func(version string) {
		k.Deploy(t, version)
	}, func() { harness.WritePHP(t, k.Dir, "this is no PHP;") })
	if _, n := k.Get("/count"); len(n) != 3 || n < "730" { // and those of a moment
		t.Errorf("of 730 connections %s are left", n)
	}
	c.End()
	if c.By[last] == 0 || c.By["1"] == 0 {
		t.Errorf("versions 1 and %s should have answered, and these did: %v", last, c.By)
	}
}

func TestReloadsOfGoWorkersCloseNoConnectionAndLoseNoMessage(t *testing.T) {
	t.Parallel()
	program, err := harness.Build("./host/internal/e2e/testdata/numbers-go")
	if err != nil {
		t.Fatal(err)
	}
	dir, addr, tcp := t.TempDir(), harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, dir, "VERSION", "1")
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[[listen]]\naddress = %q\nprotocol = "+
		"\"tcp\"\n[pool.numbers]\ncommand = [%q]\nworkers = 2\n", addr, tcp, program))
	k := &harness.Talk{Dir: dir, TCP: tcp, Host: harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))}
	c := harness.NewCrowd(t, 300*time.Millisecond)
	c.Join(100, "WebSocket", func() (harness.Talker, error) { return k.SocketTalker("/") })
	c.Join(50, "TCP", func() (harness.Talker, error) { return k.TryLine() })
	harass(t, k.Host, lasts(t, 5*time.Second), func(version string) {
		harness.Write(t, dir, "VERSION", version)
	}, func() { harness.Write(t, dir, "VERSION", "broken") })
	c.End()
}
