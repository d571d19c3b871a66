//go:build linux

// Chaos below connections: everything that may befall workers does, at random; who is cut off is who the host says it had to give up, and nobody else.

package e2e

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
	*crowd
	came    atomic.Int64
	givenUp atomic.Int64 // connections that were closed with 1011, or broke off where that can't be said
}

// live has n clients talk until the end.
func (s *survivors) live(n int, name string, connect func() (talker, error)) {
	for range n {
		s.all.Go(func() {
			for {
				k, err := connect()
				if err != nil {
					s.report("%s: %v", name, err)
					return
				}
				s.came.Add(1)
				err = s.speak(k)
				if err == nil {
					k.Close()
					return
				}
				var closed *closedError
				for web := strings.HasPrefix(name, "WebSocket"); web && !errors.As(err, &closed); { // the reason may wait to be read
					if _, err2 := k.listen(); err2 != nil {
						if !errors.As(err2, &closed) {
							s.report("%s: %v, and then %v", name, err, err2)
						}
						break
					}
				}
				k.Close()
				if strings.Contains(err.Error(), "the answer to message") && !strings.Contains(err.Error(), "instead of") || closed != nil && closed.code != 1011 {
					s.report("%s: %v", name, err)
				}
				s.givenUp.Add(1)
			}
		})
	}
}

// TestChaosBelowConnectionsCutsOffOnlyWhoItHits runs for $CHAOS_TIME, 8 s if that is not set, with faults that $CHAOS_SEED decides.
func TestChaosBelowConnectionsCutsOffOnlyWhoItHits(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64() % 1_000_000
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	d := lasts(t, 8*time.Second)
	t.Logf("%s with CHAOS_SEED=%d", d, seed)
	admin, addr, tcp := freeAddress(t), freeAddress(t), freeAddress(t)
	c := &chaos{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 1)), faults: map[string]int{}}
	k := &talk{dir: c.dir, tcp: tcp}
	deploy := func() {
		c.version++
		c.release(fmt.Sprint(c.version), talkSource(t, fmt.Sprint(c.version)))
	}
	deploy()
	write(t, c.dir, "host.toml", fmt.Sprintf(talkChaosConfig, admin, addr, tcp))
	k.host = startWith(t, addr, "-c", filepath.Join(c.dir, "host.toml"))
	c.h = k.host
	before := takeFootprint(t, k.host, admin)

	s := &survivors{crowd: newCrowd(t, 150*time.Millisecond)}
	s.live(120, "WebSocket", func() (talker, error) { return k.socketTalker("/") })
	s.live(60, "TCP", func() (talker, error) { return k.tryLine() })
	stop := make(chan struct{})
	var raging sync.WaitGroup
	raging.Go(func() {
		c.until(stop, rand.New(rand.NewPCG(seed, 2)), 700*time.Millisecond, func(random *rand.Rand) {
			if random.IntN(4) == 0 {
				c.made("reload of broken code")
				c.release("broken", "exit(7);")
				if out, code := k.run("reload"); code != 1 {
					t.Errorf("broken code: host reload exits %d:\n%s", code, out)
				}
				return
			}
			deploy()
			c.made("reload")
			if out, code := k.run("reload"); code != 0 && !hitByAFault(out) {
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
				if one, _, err := k.tryUpgrade("/"); err == nil && one != nil {
					one.tell("say x")
					one.Close()
				}
			default:
				c.made(words[i-5])
				one, _, err := k.tryUpgrade("/")
				if err != nil || one == nil {
					t.Errorf("no connection for %q: %v", words[i-5], err)
					return
				}
				one.tell(words[i-5])
				if words[i-5] == "throw" {
					one.Close()
					return
				}
				raging.Go(func() {
					defer one.Close()
					var closed *closedError
					if _, err := one.listen(); errors.As(err, &closed) && closed.code == 1011 {
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
	k.awaitReady()
	k.reload()
	s.end()

	k.eventually("all connections have ended", func() bool { return len(k.connections()) == 0 })
	lost, ends := 0, 0
	for text := range strings.Lines(k.logs.String()) {
		switch {
		case !strings.Contains(text, "an event was given up"):
		case strings.Contains(text, `event="CLOSE`):
			ends++
		default:
			lost++
		}
	}
	cut := s.givenUp.Load() + suicides.Load()
	t.Logf("faults: %s; %d connections, %d of them given up, %d by their own doing; events given up: %d, and %d ends", counts(c.faults), s.came.Load(), cut, suicides.Load(), lost, ends)
	if int(cut) > lost {
		t.Errorf("%d connections were cut off, and the host says that it gave up %d events", cut, lost)
	}
	if strings.Contains(k.logs.String(), "panic") {
		t.Error("the log speaks of a panic")
	}
	after := awaitFootprint(t, k.host, admin, before, func() { k.get("/") })
	t.Logf("the host before: %s\nand after:       %s", before, after)
}
