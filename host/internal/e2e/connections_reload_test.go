// What long-lived connections are for: code changes and workers die below them, and their clients notice nothing.

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// talker is a client that numbers its messages.
type talker interface {
	tell(text string) error
	listen() (string, error)
	Close() error
}

// crowd is talkers, each in its own goroutine.
type crowd struct {
	t       *testing.T
	over    chan struct{}
	all     sync.WaitGroup
	pause   time.Duration // between bursts
	heard   atomic.Int64
	again   atomic.Int64 // answers of a second attempt
	mu      sync.Mutex
	reports []string       // guarded by mu
	by      map[string]int // answers by version; guarded by mu
}

func newCrowd(t *testing.T, pause time.Duration) *crowd {
	return &crowd{t: t, over: make(chan struct{}), pause: pause, by: map[string]int{}}
}

// join has n talkers speak until the end. All are connected when it returns.
func (c *crowd) join(n int, name string, connect func() (talker, error)) {
	c.t.Helper()
	for i := range n {
		k, err := connect()
		if err != nil {
			c.t.Fatalf("%s %d: %v", name, i, err)
		}
		c.all.Go(func() {
			defer k.Close()
			if err := c.speak(k); err != nil {
				c.mu.Lock()
				c.reports = append(c.reports, fmt.Sprintf("%s %s %d: %v", time.Now().Format("15:04:05.000"), name, i, err))
				c.mu.Unlock()
			}
		})
	}
}

// speak sends bursts of one to three messages, and has the answers to each before the next. An answer says the number, the attempt, the version, and how many
// messages the session has counted, so that one which was lost, came twice, out of order or with half of what it did shows.
func (c *crowd) speak(k talker) error {
	versions := map[string]int{}
	defer func() {
		c.mu.Lock()
		for version, n := range versions {
			c.by[version] += n
		}
		c.mu.Unlock()
	}()
	for n := 0; ; {
		burst := 1 + rand.IntN(3)
		for i := range burst {
			if err := k.tell(fmt.Sprintf("n %d", n+i+1)); err != nil {
				return err
			}
		}
		for range burst {
			n++
			text, err := k.listen()
			if err != nil {
				return fmt.Errorf("instead of the answer to message %d: %w", n, err)
			}
			var number, attempt, counted int
			var version string
			if _, err := fmt.Sscanf(text, "%d %d %s %d", &number, &attempt, &version, &counted); err != nil || number != n || counted != n || attempt < 1 || attempt > 2 {
				return fmt.Errorf("the answer to message %d is %q", n, text)
			}
			versions[version]++
			c.heard.Add(1)
			if attempt == 2 {
				c.again.Add(1)
			}
		}
		select {
		case <-c.over:
			return nil
		case <-time.After(rand.N(2 * c.pause)):
		}
	}
}

// end waits for all talkers and fails the test for each that was let down.
func (c *crowd) end() {
	c.t.Helper()
	close(c.over)
	c.all.Wait()
	for i, report := range c.reports {
		if i == 20 {
			c.t.Errorf("and %d more", len(c.reports)-i)
			break
		}
		c.t.Error(report)
	}
	c.t.Logf("%d messages were answered, %d of them as a second attempt; by version: %v; %d clients were let down", c.heard.Load(), c.again.Load(), c.by, len(c.reports))
}

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
		for more := 0; code != 0 && more < 3 && strings.Contains(out, "signal: killed"); more++ {
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

func TestReloadClosesNoConnectionAndLosesNoMessage(t *testing.T) {
	t.Parallel()
	k := startTalkTCP(t, "", "workers = 4\nsurge = 2")
	c := newCrowd(t, 600*time.Millisecond)
	c.join(500, "WebSocket", func() (talker, error) { return k.socketTalker("/") })
	c.join(200, "TCP", func() (talker, error) { return k.tryLine() })
	last := harass(t, k.host, lasts(t, 12*time.Second), func(version string) { k.deploy(t, version) }, func() { writePHP(t, k.dir, "this is no PHP;") })
	if _, n := k.get("/count"); n != "700" {
		t.Errorf("of 700 connections %s are left", n)
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
