// warmup = "recent": new workers are asked for what clients asked for, before any client is answered.

package reload

import (
	"net/http"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestNewWorkersAnswerWhatWasAskedForOfLate(t *testing.T) {
	t.Parallel()
	site := `Worker::create()->onRequest(function (Request $r): Response {
    $warm = $r->header('X-Worker-Warmup') === '1' ? 'warm' : 'client';
    fwrite(STDERR, "$warm asks for $r->target of " . ($r->headers['host'][0] ?? '') . ' cookie ' .
        ($r->header('Cookie') ?? 'none') . "\n");
    return Response::text('ok', $r->path === '/broken' && $warm === 'warm' ? 500 : 200);
})->run();
`
	dir := harness.PHPWorker(t, site)
	h := harness.StartPHP(t, dir, "", "workers = 1\nwarmup = \"recent\"", "")
	for _, path := range []string{"/often", "/often", "/broken", "/once?page=2", "/reset?token=abc"} {
		h.Get(path)
	}
	private, err := http.NewRequest("GET", h.URL+"/private", nil)
	harness.Must(t, err)
	private.Header.Set("Cookie", "sid=1")
	resp, err := http.DefaultClient.Do(private)
	harness.Must(t, err)
	resp.Body.Close()
	h.Reload()
	h.Get("/end")
	h.Logs.Await(t, "client asks for /end")
	text := h.Logs.String()
	for _, path := range []string{"/often", "/broken", "/once?page=2"} {
		if strings.Count(text, "warm asks for "+path+" of "+h.Addr+" cookie : ") != 1 {
			t.Errorf("a new worker was not asked for %s", path)
		}
	}
	for _, path := range []string{"/reset", "/private"} {
		if strings.Contains(text, "warm asks for "+path) {
			t.Errorf("a new worker was asked for %s", path)
		}
	}
}
