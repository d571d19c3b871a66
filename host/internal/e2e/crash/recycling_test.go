package crash

import (
	"runtime"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
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
	h := harness.StartPHP(t, harness.PHPWorker(t, leaking), "",
		"workers = 3\nmax_memory = \"64MiB\"\nphp_ini = { memory_limit = \"512M\" }", "")
	l := harness.NewLoad(h).Kept(6)
	h.Eventually("three generations of workers were too large", func() bool {
		return strings.Count(h.Logs.String(), "why=max_memory") > 8
	})
	l.Stop()
	for _, w := range h.Status().Pools[0].Workers {
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
	h := harness.StartPHP(t, harness.PHPWorker(t, devouring), "",
		"workers = 2\nmax_memory_hard = \"96MiB\"\nphp_ini = { memory_limit = \"2G\" }", "")
	before := h.PIDs()
	l := harness.NewLoad(h).Kept(3)
	if status, text := h.Get("/devour"); status != 502 {
		t.Errorf("%d %q", status, text)
	}
	h.Eventually("its worker was replaced", func() bool {
		now := h.PIDs()
		// both, if it was handed ahead to one as that began it, and recalled for the other (SPEC.md §4.5)
		return (now[0] != before[0] || now[1] != before[1]) && h.Count("idle")+h.Count("busy") == 2
	})
	l.Stop()
	for _, text := range []string{"max_memory_hard=100663296", `request="GET /devour"`} {
		if !strings.Contains(h.Logs.String(), text) {
			t.Errorf("the log lacks %s", text)
		}
	}
}
