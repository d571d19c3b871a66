package upgrade

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// stateful counts in a store, and does with a lock what only one may do at a time: it has a folder that it makes and
// removes. The one that dies does so with the lock, while others wait for it.
const stateful = `
$worker = Worker::create();
$worker->onRequest(function (Request $r) use ($worker) {
    $s = $worker->store('counters');
    switch ($r->path) {
        case '/count': return (string) $s->increment('n');
        case '/sum': return (string) $s->get('n', 0);
        case '/tokens': return json_encode($s->get('tokens', []));
        case '/made': return (string) $s->get('made', 0);
        case '/remember':
            $worker->store('other')->remember('page', 60, function () use ($s) { usleep(50000);
                return $s->increment('made'); });
            return 'ok';
    }
    $lock = $worker->lock('one', ttl: 60, wait: 30);
    if ($lock === null) {
        return Response::text('not within 30 s', 503);
    }
    if ($r->path === '/die') {
        posix_kill(getmypid(), SIGKILL);
    }
    if (!mkdir(__DIR__ . '/alone')) {
        return Response::text('two have it', 500);
    }
    usleep(2000);
    $tokens = $s->get('tokens', []);
    if ($tokens !== [] && end($tokens) >= $lock->token()) {
        return Response::text('the token does not grow', 500);
    }
    $s->set('tokens', [...$tokens, $lock->token()]);
    rmdir(__DIR__ . '/alone');
    return 'ok';
})->run();
`

func TestStoresAndLocksLoseNothingOverAReloadAnUpgradeAndDeaths(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, stateful)
	h := harness.StartPHP(t, dir, "", "workers = 4\nretry = \"never\"",
		fmt.Sprintf("[store.counters]\nkind = \"disk\"\n[engine]\ndirectory = %q\n", t.TempDir()+"/engine"))
	load := harness.NewLoad(h)
	var counted, alone atomic.Int64
	each := func(target string, n *atomic.Int64) func() error {
		return func() error {
			status, text := h.Get(target)
			if status != 200 {
				return fmt.Errorf("%s: %d %s", target, status, text)
			}
			n.Add(1)
			return nil
		}
	}
	load.Run(3, "counter", each("/count", &counted)).Run(2, "lock", each("/alone", &alone))
	some := func() {
		from, with := counted.Load(), alone.Load()
		h.Eventually("work goes on", func() bool { return counted.Load() > from+20 && alone.Load() > with+5 })
	}
	some()
	h.Reload()
	some()
	upgraded(t, h)
	some()
	for range 3 {
		if status, _ := h.Get("/die"); status == 200 {
			t.Error("it lives")
		}
		some()
	}
	load.Stop()
	if _, sum := h.Get("/sum"); sum != strconv.FormatInt(counted.Load(), 10) {
		t.Errorf("%s were counted, and %d answered", sum, counted.Load())
	}
	_, tokens := h.Get("/tokens")
	if n := int64(strings.Count(tokens, ",") + 1); n != alone.Load() {
		t.Errorf("%d had the lock, and %d answered", n, alone.Load())
	}
	var all atomic.Int64
	load = harness.NewLoad(h)
	load.Run(8, "remember", each("/remember", &all))
	h.Eventually("all have it", func() bool { return all.Load() > 30 })
	load.Stop()
	if _, made := h.Get("/made"); made != "1" {
		t.Errorf("it was computed %s times", made)
	}
}

func TestAnEngineThatCanNotBeHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, `
$worker = Worker::create();
$worker->onRequest(function (Request $r) use ($worker) {
    if ($r->path === '/') {
        return 'plain';
    }
    try {
        return (string) $worker->store('s')->increment('n');
    } catch (WorkerHost\CallFailed $e) {
        return $e->getCode() . ' ' . $e->getMessage();
    }
})->run();
`)
	harness.Write(t, dir, "taken", "a file")
	h := harness.StartPHP(t, dir, "", "workers = 2",
		fmt.Sprintf("[engine]\ndirectory = %q\n", dir+"/taken/engine"))
	began := time.Now()
	status, text := h.Get("/store")
	if took := time.Since(began); status != 200 || !strings.HasPrefix(text, "100 ") ||
		!strings.Contains(text, "taken") || took > 15*time.Second {
		t.Errorf("%d %s after %v", status, text, took)
	}
	for range 3 {
		if status, text := h.Get("/"); status != 200 || text != "plain" {
			t.Errorf("%d %s", status, text)
		}
	}
}
