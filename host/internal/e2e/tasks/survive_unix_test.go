//go:build unix

// Tasks outlive what does them: workers, reloads, hosts.

package tasks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// flood pushes a number of tasks, in a request each; each takes a moment, and is noted at its end.
const flood = `
$worker->onRequest(fn (Request $r) => $worker->tasks()->push('q', substr($r->path, 1)))
->onTask('q', function (Task $t): void {
    usleep(5000);
    note($t->payload);
})->run();`

func push(t *testing.T, h *harness.Host, from, to int) {
	t.Helper()
	c := h.Dial()
	defer c.Conn.Close()
	for i := from; i < to; i++ {
		if body, err := c.Ask(fmt.Sprintf("/x%03d", i)); err != nil {
			t.Fatal(body, err)
		}
	}
}

func TestEachTaskRunsToItsEndAlthoughWorkersAreKilled(t *testing.T) {
	t.Parallel()
	h, dir := start(t, flood, "backoff = [\"10ms\"]\nattempts = 100", "workers = 4")
	push(t, h, 0, 100)
	over := make(chan struct{})
	killed := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-over:
				killed <- n
				return
			case <-time.After(80 * time.Millisecond):
				pids := slices.DeleteFunc(h.PIDs(), func(pid int) bool { return pid <= 1 }) // not started yet
				if len(pids) > 0 && n < 12 {
					syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL)
					n++
				}
			}
		}
	}()
	time.Sleep(500 * time.Millisecond)
	close(over)
	n := <-killed
	h.Eventually("a worker", func() bool { return h.Count("idle")+h.Count("busy") > 0 })
	push(t, h, 100, 200)
	done := await(h, dir, 200)
	twice := 0
	for _, times := range done {
		if times > 1 {
			twice++
		}
	}
	t.Logf("%d workers killed, %d of 200 tasks ran twice", n, twice)
}

func TestAReloadAndAnUpgradeLoseNoTask(t *testing.T) {
	t.Parallel()
	h, dir := start(t, flood, "concurrency = 2", "workers = 3")
	push(t, h, 0, 60)
	h.Reload()
	push(t, h, 60, 120)
	if out, code := h.Run("upgrade"); code != 0 {
		t.Fatal(out)
	}
	push(t, h, 120, 180)
	for line, times := range await(h, dir, 180) {
		if times != 1 {
			t.Errorf("%s ran %d times", line, times)
		}
	}
	if log := h.Logs.String(); strings.Contains(log, "end of a task could not") {
		t.Error("an end was lost")
	}
}

func TestAHostThatIsKilledGoesOnWithItsTasks(t *testing.T) {
	t.Parallel()
	h, dir := start(t, flood, "concurrency = 1", "workers = 2")
	push(t, h, 0, 50)
	h.Kill(syscall.SIGKILL)
	<-h.Exited
	before := len(noted(dir))
	again := harness.Start(t, "-c", dir+"/host.toml")
	await(again, dir, 50)
	t.Logf("%d were done before, %d lines after", before, len(noted(dir)))
}
