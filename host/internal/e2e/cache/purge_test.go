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

// twoSites are two pools of realms of their own, whose pages have tags; a POST to the first one purges, as its path
// says.
func twoSites(t *testing.T) *harness.Host {
	t.Helper()
	dir := harness.PHPWorker(t, `
$worker = Worker::create();
$worker->onRequest(function (Request $r) use ($worker): Response {
    if ($r->method === 'GET') {
        return new Response(200, ['Cache-Control' => 'max-age=600', 'Cache-Tag' => "all, page$r->path"], 'page');
    }
    match ($r->path) {
        '/tag', '/tag/fails' => $worker->cache()->purge(tags: ['page/a']),
        '/url' => $worker->cache()->purge(urls: ['/b*']),
        '/all' => $worker->cache()->purge(all: true),
        '/now/fails' => $worker->cache()->purge(tags: ['page/a'], now: true),
    };
    return str_ends_with($r->path, 'fails') ? throw new Exception('it fails') : new Response(204);
})->run();`)
	harness.Write(t, dir, "host.toml", `
[pool.web]
worker = "worker.php"
workers = 1
realm = "one"
[pool.other]
worker = "worker.php"
workers = 1
realm = "two"
[[route]]
name = "other"
path = "/other/*"
pool = "other"
cache = true
[[route]]
name = "web"
path = "/*"
pool = "web"
cache = true
`)
	return harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
}

func TestAHandlersPurgeIsInEffectBeforeItsClientHasTheAnswer(t *testing.T) {
	t.Parallel()
	h := twoSites(t)
	for _, test := range []struct{ post, hits string }{
		{"/tag", "-++"}, {"/tag/fails", "+++"}, {"/now/fails", "-++"}, {"/url", "+-+"}, {"/all", "--+"},
	} {
		for _, path := range []string{"/a", "/b", "/other/a"} {
			h.Get(path)
		}
		r, err := http.Post(h.URL+test.post, "", nil)
		harness.Must(t, err)
		r.Body.Close()
		if want := 204; r.StatusCode != want && !strings.HasSuffix(test.post, "fails") {
			t.Errorf("%s: %d", test.post, r.StatusCode)
		}
		hits := ""
		for _, path := range []string{"/a", "/b", "/other/a"} {
			if strings.Contains(said(t, h, path), "; hit;") {
				hits += "+"
			} else {
				hits += "-"
			}
		}
		if hits != test.hits {
			t.Errorf("after POST %s what is stored of /a, /b and /other/a is %s, not %s", test.post, hits, test.hits)
		}
	}
}
