//go:build unix

package cluster

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// labour pushes tasks, does them, counts, and writes under a lock to what takes no smaller token than it has seen.
const labour = `
use WorkerHost\{Connection, Task};

function note(string $file, string $line): void
{
    file_put_contents(__DIR__ . "/$file", "$line\n", FILE_APPEND | LOCK_EX);
}
function write(int $token, int $of): bool
{
    $f = fopen(__DIR__ . '/resource', 'c+');
    flock($f, LOCK_EX);
    if ((int) stream_get_contents($f) > $token) {
        return false;
    }
    rewind($f);
    fwrite($f, str_pad((string) $token, 20));
    note('written', "$token:$of");
    return true;
}
$worker = Worker::create();
$worker
    ->onRequest(static function (Request $r) use ($worker): Response {
        [, $what, $n] = explode('/', $r->path) + [2 => ''];
        switch ($what) {
            case 'push':
                $worker->tasks()->push('q', $n);
                return Response::text('pushed');
            case 'count':
                return Response::text((string) $worker->store('numbers')->increment('n', (int) $n));
            case 'write':
                $lock = $worker->lock('resource', ttl: 3, wait: 1);
                if ($lock === null) {
                    return Response::text('busy');
                }
                for ($i = 0; $i < 3; ++$i) {
                    if (!write($lock->token(), (int) $n)) {
                        return Response::text('too late');
                    }
                    usleep(2000);
                }
                return Response::text('written');
        }
        return Response::text('?');
    })
    ->onTask('q', static function (Task $t): void {
        if ((int) $t->payload % 50 === 7) {
            throw new Exception("task $t->payload");
        }
        note('done', $t->payload);
    })
    ->onOpen(static fn (Connection $c) => $c->join('room'))
    ->onMessage(static function (Connection $c, string $text) use ($worker): void {
        $text === 'count'
            ? $c->send((string) $worker->connections()->count('room'))
            : $worker->connections()->sendToGroup('room', $text);
    });
$worker->run();
`

// chaos is three hosts, the wires between their engines, and what clients know.
type chaos struct {
	t     *testing.T
	dir   string // of the code, and of what it notes
	files []string
	addrs []string
	wires []*wire

	mu    sync.Mutex
	hosts []*harness.Host // guarded by mu

	pushed            sync.Map // number of the task -> true if that was confirmed
	counted, asked    atomic.Int64
	written, tooLate  atomic.Int64
	failures, serials atomic.Int64
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{t: t, dir: harness.PHPWorker(t, labour)}
	var engines []string
	for range 3 {
		engines = append(engines, harness.FreeAddress(t))
		c.addrs = append(c.addrs, harness.FreeAddress(t))
	}
	for i := range 3 {
		routes := []string{engines[i]}
		for j := range 3 {
			if i != j {
				w := newWire(t, i, j, engines[j])
				c.wires, routes = append(c.wires, w), append(routes, w.address)
			}
		}
		dir := t.TempDir()
		harness.Write(t, dir, "host.toml", fmt.Sprintf(`
state = "state"
[[listen]]
address = %q
[pool.w]
worker = %q
workers = 3
[queue.q]
attempts = 5
backoff = ["50ms"]
timeout = "8s"
[store.numbers]
kind = "disk"
max_size = "1MiB"
[engine]
directory = "engine"
max_disk = "256MiB"
[cluster]
name = "chaos"
host = "chaos-%d"
listen = %q
routes = ["%s"]
secret = "a-secret-of-all-of-them"
`, c.addrs[i], filepath.Join(c.dir, "worker.php"), i, engines[i], strings.Join(routes, `", "`)))
		c.files = append(c.files, filepath.Join(dir, "host.toml"))
		c.hosts = append(c.hosts, c.launch(i))
	}
	for i := range 3 {
		c.hosts[i].AwaitReady()
	}
	c.hosts[0].Eventually("a task is pushed, and something counted", func() bool {
		return c.ask(0, "push", 0) == "pushed" && c.ask(1, "count", 0) != ""
	})
	return c
}

func (c *chaos) launch(i int) *harness.Host {
	return harness.Launch(c.t, c.addrs[i], "-c", c.files[i])
}

func (c *chaos) host(i int) *harness.Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[i]
}

var client = &http.Client{Timeout: 10 * time.Second}

// ask gives the answer if there is one and it is 200.
func (c *chaos) ask(i int, what string, n int64) string {
	r, err := client.Get(fmt.Sprintf("http://%s/%s/%d", c.addrs[i], what, n))
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}

// load has clients push so many tasks in a second, count, and write under the lock, until ctx ends.
func (c *chaos) load(ctx context.Context, perSecond int) (finished func()) {
	var all sync.WaitGroup
	every := func(pause time.Duration, do func(i int)) {
		const clients = 12
		for k := range clients {
			all.Go(func() {
				tick := time.NewTicker(pause * clients)
				defer tick.Stop()
				for {
					do(k % 3)
					select {
					case <-tick.C:
					case <-ctx.Done():
						return
					}
				}
			})
		}
	}
	every(time.Second/time.Duration(perSecond), func(i int) {
		n := c.serials.Add(1)
		confirmed := c.ask(i, "push", n) == "pushed"
		c.pushed.Store(n, confirmed)
		if !confirmed {
			c.failures.Add(1)
		}
	})
	every(40*time.Millisecond, func(i int) {
		c.asked.Add(1)
		if c.ask(i, "count", 1) != "" {
			c.counted.Add(1)
		}
	})
	every(40*time.Millisecond, func(i int) {
		switch c.ask(i, "write", c.serials.Add(1)) {
		case "written":
			c.written.Add(1)
		case "too late":
			c.tooLate.Add(1)
		}
	})
	return all.Wait
}

// killWorker kills one of a host's workers.
func (c *chaos) killWorker(i int) {
	st, err := c.host(i).TryStatus()
	if err != nil {
		return
	}
	for _, p := range st.Pools {
		for _, w := range p.Workers {
			if w.PID > 1 {
				syscall.Kill(w.PID, syscall.SIGKILL)
				return
			}
		}
	}
}

// cut takes a host's engine from the others', or gives it back.
func (c *chaos) cut(i int, cut bool) {
	for _, w := range c.wires {
		if w.from == i || w.to == i {
			w.set(cut)
		}
	}
}

// replace kills a host, and starts it again a while later.
func (c *chaos) replace(i int, later time.Duration) {
	h := c.host(i)
	h.Kill(syscall.SIGKILL)
	<-h.Exited
	time.Sleep(later)
	next := c.launch(i)
	c.mu.Lock()
	c.hosts[i] = next
	c.mu.Unlock()
}

// awaitCopies waits until a host has what the others have: one of three may be away at a time.
func (c *chaos) awaitCopies(i int) {
	c.host(i).Eventually("it is one with the others again", func() bool {
		return c.ask(i, "push", 0) == "pushed" && c.ask(i, "count", 0) != ""
	})
	time.Sleep(time.Second) // how far it has copied shows nowhere
}

// TestChaosLosesNoTaskNoCountAndNoLock has hosts and workers killed and engines cut off, under load, for $CHAOS_TIME,
// 6 seconds without it.
func TestChaosLosesNoTaskNoCountAndNoLock(t *testing.T) {
	t.Parallel() // it waits, mostly
	c := newChaos(t)
	lasts, perSecond := 6*time.Second, 100
	if text := os.Getenv("CHAOS_TIME"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		perSecond = 500
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	finished := c.load(ctx, perSecond)
	var faults []string
	for round, until := 0, time.Now().Add(lasts); round < 4 || time.Now().Before(until); round++ {
		i := rand.IntN(3)
		switch round % 4 { // a host first: what it had taken is given out anew after half a minute
		case 1, 3:
			c.killWorker(i)
			faults = append(faults, fmt.Sprintf("a worker of %d", i))
		case 2:
			c.cut(i, true)
			time.Sleep(time.Second)
			c.cut(i, false)
			faults = append(faults, fmt.Sprintf("wires of %d", i))
		case 0:
			c.replace(i, 500*time.Millisecond)
			faults = append(faults, fmt.Sprintf("host %d", i))
			c.host(i).AwaitReady()
			c.awaitCopies(i)
		}
		time.Sleep(300 * time.Millisecond)
	}
	began := time.Now()
	end()
	finished()
	for i := range 3 {
		c.host(i).AwaitReady()
	}
	t.Logf("all is up again after %v", time.Since(began))
	t.Logf("killed or cut: %s", strings.Join(faults, ", "))
	c.settle()
}

// settle holds what was promised.
func (c *chaos) settle() {
	t, began := c.t, time.Now()
	t.Helper()
	confirmed, missing := 0, []int64(nil)
	for late := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		done := map[int64]int{}
		for _, line := range c.noted("done") {
			n, _ := strconv.ParseInt(line, 10, 64)
			done[n]++
		}
		failed := c.failed()
		confirmed, missing = 0, nil
		c.pushed.Range(func(n, yes any) bool {
			if yes.(bool) {
				confirmed++
				if done[n.(int64)] == 0 && !failed[n.(int64)] {
					missing = append(missing, n.(int64))
				}
			}
			return true
		})
		if len(missing) == 0 || time.Now().After(late) {
			break
		}
	}
	t.Logf("%d tasks confirmed and come to their end after %v, %d pushes failed", confirmed, time.Since(began),
		c.failures.Load())
	if len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("%d tasks that were pushed have not come to their end: %v", len(missing),
			missing[:min(len(missing), 20)])
	}
	sum := int64(-1)
	c.host(0).Eventually("the sum is known", func() bool {
		n, err := strconv.ParseInt(c.ask(0, "count", 0), 10, 64)
		sum = n
		return err == nil
	})
	t.Logf("%d of %d increments were confirmed, and the sum is %d", c.counted.Load(), c.asked.Load(), sum)
	if sum < c.counted.Load() || sum > c.asked.Load() {
		t.Errorf("the sum is %d; %d of %d increments were confirmed", sum, c.counted.Load(), c.asked.Load())
	}
	holders, last := map[string]string{}, int64(0)
	for _, line := range c.noted("written") {
		token, of, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseInt(token, 10, 64)
		if before := holders[token]; before != "" && before != of || n < last {
			t.Errorf("%s has written with the token %s after %d, which was %q's", of, token, last, before)
		}
		holders[token], last = of, n
	}
	t.Logf("%d have written, %d came too late", len(holders), c.tooLate.Load())
	if confirmed == 0 || c.counted.Load() == 0 || len(holders) == 0 {
		t.Error("nothing went well")
	}
}

func (c *chaos) noted(file string) []string {
	b, _ := os.ReadFile(filepath.Join(c.dir, file))
	return strings.Fields(string(b))
}

var reason = regexp.MustCompile(`"[^"]*Exception: task (\d+)`)

// failed are the tasks that lie with the failed ones.
func (c *chaos) failed() map[int64]bool {
	all := map[int64]bool{}
	out, code := c.host(0).Run("tasks", "failed", "q", "--json", "--limit", "100000")
	if code != 0 {
		return all
	}
	for _, found := range reason.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.ParseInt(found[1], 10, 64)
		all[n] = true
	}
	return all
}

// TestMessagesReachAllMembersOfLivingHostsWhileOneDies kills a host while others send to a group.
func TestMessagesReachAllMembersOfLivingHostsWhileOneDies(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	for i := range 3 {
		for j := range 3 {
			if i != j {
				c.hosts[i].Logs.Await(t, fmt.Sprintf("another host is in the cluster: host=chaos-%d", j))
			}
		}
	}
	var clients []*harness.Socket
	for _, h := range c.hosts {
		clients = append(clients, h.Upgrade("/"))
	}
	for i, s := range clients {
		ask(t, c.hosts[i], s, "count", "3")
	}
	const messages = 200
	for n := range messages {
		if n == messages/4 {
			c.hosts[2].Kill(syscall.SIGKILL)
			<-c.hosts[2].Exited
		}
		clients[n%2].Say("message %d", n)
	}
	for _, s := range clients[:2] {
		next := [2]int{0, 1} // what comes from one client comes in its order
		for range messages {
			var n int
			if _, err := fmt.Sscanf(s.Hear(), "message %d", &n); err != nil || next[n%2] != n {
				t.Fatalf("message %d, where %v was to come: %v", n, next, err)
			}
			next[n%2] += 2
		}
	}
}
