// Package cache tests answers that are stored before a pool, as clients and operators see them.
package cache

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// start serves code, a PHP worker's that may note lines, with all of its answers in the cache of these settings.
func start(t *testing.T, code, cache, rest string) (h *harness.Host, dir string) {
	t.Helper()
	dir = harness.PHPWorker(t, `
function note(string $line): void { file_put_contents(__DIR__ . '/noted', "$line\n", FILE_APPEND | LOCK_EX); }
`+code)
	harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\n"+rest+
		"\n[[route]]\npath = \"/*\"\npool = \"web\"\n[route.cache]\n"+cache+"\n")
	return harness.Start(t, "-c", filepath.Join(dir, "host.toml")), dir
}

// said is an answer's Cache-Status, by a request of its own.
func said(t *testing.T, h *harness.Host, path string) string {
	t.Helper()
	r, err := http.Get(h.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	return r.Header.Get("Cache-Status")
}
