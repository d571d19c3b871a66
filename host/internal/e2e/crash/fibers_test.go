// Workers that handle many requests at once, each in a fiber.

package crash

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// fibers answers /together?n=N once N requests of it are at hand in one worker, /held?f=FILE once there is such a
// file, /exit?after=N by ending the worker once it has N of /wait, and /block by keeping it from all else for a while.
const fibers = `
use WorkerHost\{Async, Log};

$at = ['/together' => 0, '/wait' => 0];
Worker::create()->concurrency(100)->onRequest(function (Request $request) use (&$at) {
    $at[$request->path] = ($at[$request->path] ?? 0) + 1;
    Log::info("seen $request->method $request->path");
    switch ($request->path) {
        case '/together':
            while ($at['/together'] < (int) $request->query['n']) { Async::delay(0.002); }
            break;
        case '/wait':
            while ($request->attempt === 1) { Async::delay(0.01); }
            break;
        case '/held':
            while (!is_file($request->query['f'])) { Async::delay(0.01); clearstatcache(); }
            break;
        case '/exit':
            while ($at['/wait'] < (int) $request->query['after']) { Async::delay(0.002); }
            exit(0);
        case '/block':
            for ($end = microtime(true) + 1.5; microtime(true) < $end;) { usleep(1000); }
            break;
    }
    return Response::text("attempt $request->attempt");
})->run();`

// asks sends n requests at once, and gives how many answers there were of each kind.
func asks(t *testing.T, h *harness.Host, n int, method, target string) (answers func() map[string]int) {
	var mu sync.Mutex
	all, under := map[string]int{}, sync.WaitGroup{}
	for range n {
		under.Go(func() {
			c := h.Dial()
			length := ""
			if method == "POST" {
				length = "Content-Length: 0\r\n"
			}
			c.Sendf("%s %s HTTP/1.1\r\nHost: here\r\n%s\r\n", method, target, length)
			a, err := c.Try(method)
			mu.Lock()
			defer mu.Unlock()
			all[fmt.Sprint(a.StatusCode, " ", a.Text, " ", err)]++
		})
	}
	return func() map[string]int {
		under.Wait()
		return all
	}
}

func TestRequestsThatWaitShareAWorkerThroughAReload(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, fibers)
	h := harness.StartPHP(t, dir, "", "workers = 1", "")
	held := asks(t, h, 40, "GET", "/held?f="+filepath.Join(dir, "go-on"))
	h.Eventually("all are at hand in the one worker", func() bool {
		text, _ := h.Run("status")
		return strings.Contains(text, "busy (40)")
	})
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		h.Reload() // which fails the test if it does
	}()
	h.Eventually("another one takes its place", func() bool {
		text, _ := h.Run("status")
		return strings.Contains(text, "draining (40)")
	})
	if got := asks(t, h, 50, "GET", "/together?n=50")(); got["200 attempt 1 <nil>"] != 50 {
		t.Error("in the new worker:", got)
	}
	harness.Write(t, dir, "go-on", "")
	if got := held(); got["200 attempt 1 <nil>"] != 40 {
		t.Error("in the old worker:", got)
	}
	<-reloaded
}

func TestARequestThatExitsCostsTheOthersOfItsWorkerNothingIfTheyAreSafe(t *testing.T) {
	t.Parallel()
	h := harness.StartPHP(t, harness.PHPWorker(t, fibers), "", "workers = 1", "")
	safe := asks(t, h, 3, "GET", "/wait")
	unsafe := asks(t, h, 2, "POST", "/wait")
	if got := asks(t, h, 1, "GET", "/exit?after=5")(); len(got) != 1 || !strings.HasPrefix(only(got), "500 ") {
		t.Error("the one that exits:", got)
	}
	if got := safe(); got["200 attempt 2 <nil>"] != 3 {
		t.Error("those that may be tried again:", got)
	}
	if got := unsafe(); !strings.HasPrefix(only(got), "502 ") {
		t.Error("those that may not:", got)
	}
	h.Logs.Await(t, "others=5")
	if n := h.Begun("GET /exit"); n != 1 {
		t.Errorf("what exits was begun %d times", n)
	}
}

// only gives the one kind of answer that all were.
func only(answers map[string]int) (kind string) {
	for kind = range answers {
		if len(answers) > 1 {
			return fmt.Sprint(answers)
		}
	}
	return kind
}

func TestAWorkerThatOneRequestBlocksIsNamedWithThePlace(t *testing.T) {
	t.Parallel()
	pool := "workers = 2\nslow_request = \"10s\"\nslow_trace = true"
	h := harness.StartPHP(t, harness.PHPWorker(t, fibers), "", pool, "")
	blocks := asks(t, h, 1, "GET", "/block")
	h.Eventually("it is shown", func() bool {
		text, _ := h.Run("status")
		return strings.Contains(text, "blocked")
	})
	if got := asks(t, h, 30, "GET", "/quick")(); got["200 attempt 1 <nil>"] != 30 { // the other one has them all
		t.Error(got)
	}
	if got := blocks(); got["200 attempt 1 <nil>"] != 1 {
		t.Error(got)
	}
	h.Logs.Await(t, "worker was blocked")
	h.Logs.Await(t, "worker.php:")
}
