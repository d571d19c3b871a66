package cache

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestPURGEDropsPagesByURLAndByTag(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `Worker::create()->onRequest(function (Request $r): Response {
    note($r->path);
    return new Response(200, ['Cache-Control' => 'max-age=600', 'Cache-Tag' => "all, page$r->path"], 'page');
})->run();`, `purge_from = ["127.0.0.1"]`, "workers = 1")
	calls := func() int { return strings.Count(harness.ReadFile(t, filepath.Join(dir, "noted")), "\n") }
	for _, test := range []struct {
		path, tags string
		status     int
		calls      int // that follow, for both pages
	}{{"/a", "", 200, 1}, {"/", "page/b", 200, 1}, {"/", "none", 404, 0}, {"/", "all", 200, 2}} {
		h.Get("/a")
		h.Get("/b")
		r, err := http.NewRequest("PURGE", h.URL+test.path, nil)
		harness.Must(t, err)
		if test.tags != "" {
			r.Header.Set("Cache-Tag", test.tags)
		}
		answer, err := http.DefaultClient.Do(r)
		harness.Must(t, err)
		answer.Body.Close()
		before := calls()
		h.Get("/a")
		h.Get("/b")
		if n := calls() - before; answer.StatusCode != test.status || n != test.calls {
			t.Errorf("PURGE %s %q: %d, and then %d calls of a worker", test.path, test.tags, answer.StatusCode, n)
		}
	}
}
