//go:build linux

// Chaos below connections: everything that may befall workers does, at random; who is cut off is who the host says it
// had to give up, and nobody else.

package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const talkChaosConfig = `
[admin]
listen = %q
[[listen]]
address = %q
[[listen]]
address = %q
protocol = "tcp"
[pool.web]
worker = "current"
workers = 4
start_timeout = "4s"
request_timeout = "1500ms"
drain_timeout = "4s"
stop_timeout = "500ms"
`

// survivors are clients that come back when they are cut off.
type survivors struct {
	*harness.Crowd
	came    atomic.Int64
	givenUp atomic.Int64 // connections that were closed with 1011, or broke off where that can't be said
}

// live has n clients talk until the end.
func (s *survivors) live(n int, name string, connect func() (harness.Talker, error)) {
	for range n {
		s.All.Go(func() {
			for {
				k, err := connect()
				if err != nil {
					s.Report("%s: %v", name, err)
					return
				}
				s.came.Add(1)
				err = s.Speak(k)
				if err == nil {
					k.Close()
					return
				}
				var closed *harness.ClosedError
				// the reason may wait to be read
				for web := strings.HasPrefix(name, "WebSocket"); web && !errors.As(err, &closed); {
					if _, err2 := k.Listen(); err2 != nil {
						if !errors.As(err2, &closed) {
							s.Report("%s: %v, and then %v", name, err, err2)
						}
						break
					}
				}
				k.Close()
				if strings.Contains(err.Error(), "the answer to message") &&
					!strings.Contains(err.Error(), "instead of") || closed != nil && closed.Code != 1011 {
					s.Report("%s: %v", name, err)
				}
				s.givenUp.Add(1)
			}
		})
	}
}

// TestChaosBelowConnectionsCutsOffOnlyWhoItHits runs for $CHAOS_TIME, 6 s if that is not set, with faults that
// $CHAOS_SEED decides.
func TestChaosBelowConnectionsCutsOffOnlyWhoItHits(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64() % 1_000_000
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	d := lasts(t, 6*time.Second)
	t.Logf("%s with CHAOS_SEED=%d", d, seed)
	admin, addr, tcp := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	c := &chaos{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 1)), faults: map[string]int{}}
	k := &harness.Talk{Dir: c.dir, TCP: tcp}
	deploy := func() {
		c.version++
		c.release(fmt.Sprint(c.version), harness.TalkSource(t, fmt.Sprint(c.version)))
	}
	deploy()
	harness.Write(t, c.dir, "host.toml", fmt.Sprintf(talkChaosConfig, admin, addr, tcp))
	k.Host = harness.StartWith(t, addr, "-c", filepath.Join(c.dir, "host.toml"))
	c.h = k.Host
	before := harness.TakeFootprint(t, k.Host, admin)

	s := &survivors{Crowd: harness.NewCrowd(t, 150*time.Millisecond)}
	s.live(120, "WebSocket", func() (harness.Talker, error) { return k.SocketTalker("/") })
	s.live(60, "TCP", func() (harness.Talker, error) { return k.TryLine() })
	stop := make(chan struct{})
	var raging sync.WaitGroup
	raging.Go(func() {
		c.until(stop, rand.New(rand.NewPCG(seed, 2)), 700*time.Millisecond, func(random *rand.Rand) {
			if random.IntN(4) == 0 {
				c.made("reload of broken code")
				c.release("broken", "exit(7);")
				if out, code := k.Run("reload"); code != 1 {
					t.Errorf("broken code: host reload exits %d:\n%s", code, out)
				}
				return
			}
			deploy()
			c.made("reload")
			if out, code := k.Run("reload"); code != 0 && !hitByAFault(out) {
				t.Errorf("good code: host reload exits %d:\n%s", code, out)
			}
		})
	})
	var suicides atomic.Int64 // connections that asked for it
	raging.Go(func() {
		c.until(stop, c.random, 200*time.Millisecond, func(random *rand.Rand) {
			words := []string{"exit", "garbage", "throw", "die 1", "die 9", "wait begun"}
			switch i := random.IntN(len(words) + 5); i {
			case 0, 1, 2:
				c.made("kill -9")
				c.signal(random, syscall.SIGKILL)
			case 3:
				c.made("SIGSTOP")
				c.signal(random, syscall.SIGSTOP)
			case 4:
				c.made("client gone")
				if one, _, err := k.TryUpgrade("/"); err == nil && one != nil {
					one.Tell("say x")
					one.Close()
				}
			default:
				c.made(words[i-5])
				one, _, err := k.TryUpgrade("/")
				if err != nil || one == nil {
					t.Errorf("no connection for %q: %v", words[i-5], err)
					return
				}
				one.Tell(words[i-5])
				if words[i-5] == "throw" {
					one.Close()
					return
				}
				raging.Go(func() {
					defer one.Close()
					var closed *harness.ClosedError
					if _, err := one.Listen(); errors.As(err, &closed) && closed.Code == 1011 {
						suicides.Add(1)
					} else if err != nil {
						t.Errorf("%q: %v", words[i-5], err)
					}
				})
			}
		})
	})
	time.Sleep(d)
	close(stop)
	raging.Wait()
	deploy()
	k.AwaitReady()
	k.Reload()
	s.End()

	k.Eventually("all connections have ended", func() bool { return len(k.Connections()) == 0 })
	lost, ends := 0, 0
	for text := range strings.Lines(k.Logs.String()) {
		switch {
		case !strings.Contains(text, "an event was given up"):
		case strings.Contains(text, `event="CLOSE`):
			ends++
		default:
			lost++
		}
	}
	cut := s.givenUp.Load() + suicides.Load()
	t.Logf("faults: %s; %d connections, %d of them given up, %d by their own doing; events given up: %d, and %d ends",
		counts(c.faults), s.came.Load(), cut, suicides.Load(), lost, ends)
	if int(cut) > lost {
		t.Errorf("%d connections were cut off, and the host says that it gave up %d events", cut, lost)
	}
	if strings.Contains(k.Logs.String(), "panic") {
		t.Error("the log speaks of a panic")
	}
	after := harness.AwaitFootprint(t, k.Host, admin, before, func() { k.Get("/") })
	t.Logf("the host before: %s\nand after:       %s", before, after)
}
