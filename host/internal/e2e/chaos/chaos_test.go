//go:build linux

// Chaos: everything that may go wrong goes wrong at once, at random, and what it did not touch is none the worse for
// it.

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const chaosConfig = `
[admin]
listen = %q
[http]
access_log = "access.json"
body_buffer = "64KiB"
spool_directory = "spool"
spool_quota = "24MiB"
[pool.web]
worker = "current"
workers = 4
queue = 40
queue_timeout = "2s"
start_timeout = "4s"
request_timeout = "1500ms"
drain_timeout = "4s"
stop_timeout = "500ms"
%s
`

// chaosSettings may come on top, each of them or not.
var chaosSettings = []string{`surge = 2`, `warmup = ["/hello"]`, `max_requests = 400`, `slow_request = "500ms"`,
	`request_body = "stream"`}

// chaos is a site and what befalls it.
type chaos struct {
	t      *testing.T
	h      *harness.Host
	ledger *ledger
	dir    string
	random *rand.Rand // of the faults

	version int // deployed last; the goroutine that reloads has it
	mu      sync.Mutex
	faults  map[string]int // that were made; guarded by mu
}

// TestChaosHarmsOnlyWhatItTouches runs for $CHAOS_TIME, 5 s if that is not set, with faults that $CHAOS_SEED decides.
func TestChaosHarmsOnlyWhatItTouches(t *testing.T) {
	t.Parallel()
	seed, lasts := rand.Uint64()%1_000_000, 5*time.Second
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CHAOS_SEED: expected a whole number, found %q", text)
		}
	}
	if text := os.Getenv("CHAOS_TIME"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("CHAOS_TIME: expected a duration such as 60s, found %q", text)
		}
	}
	t.Logf("%s with CHAOS_SEED=%d", lasts, seed)

	admin, dir := harness.FreeAddress(t), t.TempDir()
	c := &chaos{t: t, dir: dir, random: rand.New(rand.NewPCG(seed, 1)), faults: map[string]int{}}
	c.deploy()
	os.Mkdir(filepath.Join(dir, "spool"), 0o700)
	var more []string
	for _, setting := range chaosSettings {
		if c.random.IntN(3) == 0 {
			more = append(more, setting)
		}
	}
	t.Logf("settings: %s", strings.Join(more, ", "))
	harness.Write(t, dir, "host.toml", fmt.Sprintf(chaosConfig, admin, strings.Join(more, "\n")))
	c.h = harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	c.ledger = newLedger(c.h)
	c.ledger.streamed = slices.Contains(more, `request_body = "stream"`)

	c.ledger.load(time.Second) // so that what is kept for good is there
	before := harness.TakeFootprint(t, c.h, admin)

	over := time.After(lasts)
	reloads := rand.New(rand.NewPCG(seed, 2))
	var raging sync.WaitGroup
	stop := make(chan struct{})
	raging.Go(func() { c.until(stop, reloads, 300*time.Millisecond, c.reloadSomething) })
	raging.Go(func() { c.until(stop, c.random, 250*time.Millisecond, c.breakSomething) })
	finished := c.ledger.begin()
	<-over
	close(stop)
	raging.Wait()
	finished()

	c.h.AwaitReady()
	good := c.deploy()
	c.h.Reload()
	for range 20 {
		if _, got := c.h.Get("/hello"); got != fmt.Sprint("hello ", good) {
			t.Errorf("when all is over: %q instead of version %d", got, good)
		}
	}
	c.ledger.settle(filepath.Join(dir, "access.json"))
	for line := range strings.Lines(c.h.Logs.String()) {
		if strings.Contains(line, " worker=") && !strings.Contains(line, " generation=") {
			t.Errorf("a log line about a worker lacks its generation: %s", line)
		}
	}
	after := harness.AwaitFootprint(t, c.h, admin, before, func() { c.ledger.load(200 * time.Millisecond) })
	if files, _ := os.ReadDir(filepath.Join(dir, "spool")); len(files) > 1 {
		t.Errorf("files that nobody needs are left in the spool: %v", files)
	}
	for _, pid := range harness.ProcessesIn(dir) {
		if !c.h.Family()[pid] {
			t.Errorf("process %d was left behind", pid)
		}
	}
	t.Logf("faults: %s", counts(c.faults))
	t.Logf("%s", c.ledger)
	t.Logf("the host before: %s\nand after:       %s", before, after)
}

// until does something again and again, with pauses of twice the mean at most.
func (c *chaos) until(stop chan struct{}, random *rand.Rand, mean time.Duration, something func(*rand.Rand)) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.Int64N(int64(2 * mean)))):
			something(random)
		}
	}
}

func (c *chaos) made(fault string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[fault]++
}

// release puts code into a folder of its own, to which `current` leads then.
func (c *chaos) release(name, code string) {
	folder := filepath.Join(c.dir, "releases", name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		c.t.Error(err)
		return
	}
	harness.WritePHP(c.t, folder, code)
	link := filepath.Join(c.dir, "current.new")
	os.Symlink(filepath.Join("releases", name), link)
	if err := os.Rename(link, filepath.Join(c.dir, "current")); err != nil {
		c.t.Error(err)
	}
}

// deploy puts the next version in place.
func (c *chaos) deploy() (version int) {
	c.version++
	c.release(fmt.Sprint(c.version), harness.PagesSource(c.t, fmt.Sprint(c.version)))
	return c.version
}

// reloadSomething reloads good or broken code. Good code may fail to come in only because another fault hit one of its
// workers.
func (c *chaos) reloadSomething(random *rand.Rand) {
	broken := []struct{ code, says string }{
		{"Worker::create() ->> ;", "syntax error"},
		{`Worker::create()->onStart(function () { throw new RuntimeException('no database today'); })->onRequest(fn () => 'broken')->run();`, "no database today"},
		{"exit(7);", "7"},
	}
	if i := random.IntN(6); i < len(broken) {
		c.made("reload of broken code")
		c.release(fmt.Sprint("broken-", i), broken[i].code)
		if out, code := c.h.Run("reload"); code != 1 || !strings.Contains(out, broken[i].says) && !hitByAFault(out) {
			c.t.Errorf("broken code: host reload exits %d and does not say %q:\n%s", code, broken[i].says, out)
		}
		return
	}
	c.deploy()
	out, code := c.h.Run("reload")
	switch {
	case code == 0:
		c.made("reload of good code")
	case hitByAFault(out):
		c.made("reload of good code that another fault ended")
	default:
		c.t.Errorf("good code: host reload exits %d:\n%s", code, out)
	}
}

// breakSomething makes one fault other than a reload.
func (c *chaos) breakSomething(random *rand.Rand) {
	l := c.ledger
	switch random.IntN(9) {
	case 0, 1:
		c.made("kill -9")
		c.signal(random, syscall.SIGKILL)
	case 2:
		c.made("SIGSTOP")
		c.signal(random, syscall.SIGSTOP)
	case 3:
		c.made("garbage on the wire")
		l.suffer("GET", "/garbage", "link broken", "worker died", "request timeout")
	case 4:
		c.made("garbage on stdout")
		l.askOnce(kindPrint)
	case 5:
		c.made("exit in a handler")
		l.suffer("POST", "/exit", "worker died", itsOwn)
	case 6:
		c.made("queue filled")
		l.crowd(70, kindSlow)
	case 7:
		c.made("disk quota filled")
		l.crowd(14, kindHuge)
	case 8:
		c.made("clients hung up")
		l.hangUp(random)
	}
}

// signal hits a worker.
func (c *chaos) signal(random *rand.Rand, sig syscall.Signal) {
	st, err := c.h.TryStatus()
	if err != nil {
		c.t.Errorf("host status, which always answers: %v", err)
		return
	}
	if all := st.Pools[0].Workers; len(all) > 0 {
		if pid := all[random.IntN(len(all))].PID; pid > 1 {
			syscall.Kill(pid, sig) // it may have ended by itself
		}
	}
}
