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
