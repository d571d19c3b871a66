package e2e

import (
	"runtime"
	"strings"
	"testing"
)

// leaking grows by half a megabyte with each request.
const leaking = `Worker::create()->onRequest(function (Request $request): Response {
    static $kept = [];
    $kept[] = str_repeat(chr(count($kept) % 256), 1 << 19);
    usleep(2000);
    return Response::text('hello 1');
})->run();`

func TestWorkersThatLeakAreReplacedUnderLoadAndNoRequestFails(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory is known on Linux only")
	}
	h := startPHP(t, phpWorker(t, leaking), "", "workers = 3\nmax_memory = \"64MiB\"\nphp_ini = { memory_limit = \"512M\" }", "")
	l := newLoad(h).kept(6)
	h.eventually("three generations of workers were too large", func() bool { return strings.Count(h.logs.String(), "why=max_memory") > 8 })
	l.stop()
	for _, w := range h.status().Pools[0].Workers {
		if w.Restarted != "max_memory" {
			t.Errorf("worker %d was last restarted because of %q", w.Slot, w.Restarted)
		}
	}
}

// devouring takes memory in the middle of a request, and does not look at what the host says.
const devouring = `Worker::create()->onRequest(function (Request $request): Response {
    $kept = [];
    while ($request->path === '/devour') {
        $kept[] = str_repeat('x', 1 << 20);
        usleep(5000);
    }
    return Response::text('hello 1');
})->run();`

func TestARequestThatDevoursMemoryIsEndedAndNoOther(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory is known on Linux only")
	}
	h := startPHP(t, phpWorker(t, devouring), "", "workers = 2\nmax_memory_hard = \"96MiB\"\nphp_ini = { memory_limit = \"2G\" }", "")
	before := h.pids()
	l := newLoad(h).kept(3)
	if status, text := h.get("/devour"); status != 502 {
		t.Errorf("%d %q", status, text)
	}
	h.eventually("its worker was replaced", func() bool {
		now := h.pids()
		return (now[0] == before[0]) != (now[1] == before[1]) && h.count("idle")+h.count("busy") == 2
	})
	l.stop()
	for _, text := range []string{"max_memory_hard=100663296", `request="GET /devour"`} {
		if !strings.Contains(h.logs.String(), text) {
			t.Errorf("the log lacks %s", text)
		}
	}
}
