// A reload that changes where routes lead, under load.

package reload

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAReloadThatChangesARouteUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	addr, dir := harness.FreeAddress(t), t.TempDir()
	worker := func(name string) string {
		return harness.PHPWorker(t, fmt.Sprintf(
			"Worker::create()->onRequest(fn (Request $r) => Response::text('hello %s'))->run();", name))
	}
	one, two := worker("one"), worker("two")
	configure := func(pool, more string) {
		harness.Write(t, dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
[[route]]
name = "greeting"
path = "/hello"
pool = %q
%s
[pool.one]
worker = "%s/worker.php"
workers = 2
reload = "never"
[pool.two]
worker = "%s/worker.php"
workers = 2
`, addr, pool, more, one, two))
	}
	configure("one", "")
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	said := func() string {
		status, text := h.Get("/hello")
		return fmt.Sprint(status, " ", text)
	}
	if got := said(); got != "200 hello one" {
		t.Error(got)
	}
	load := harness.NewLoad(h).Kept(4).Fresh(2)
	for i := range 4 {
		pool, more := "two", "headers = { X-Way = \"new\" }\n[[route]]\nhost = \"other\"\nrespond = 404"
		if i%2 > 0 {
			pool, more = "one", ""
		}
		configure(pool, more)
		out := h.Reload()
		if !strings.Contains(out, "route greeting: pool ") || !strings.Contains(out, "route other/*") {
			t.Errorf("the report says:\n%s", out)
		}
		if got := said(); got != "200 hello "+pool {
			t.Errorf("after reload %d: %s", i, got)
		}
	}
	load.Stop()
	if status, _ := h.Get("/"); status != 404 {
		t.Errorf("what no route takes: %d", status)
	}
	out, code := h.Run("status")
	if code != 0 || !strings.Contains(out, "routes of "+addr) || !strings.Contains(out, "greeting  → pool one") {
		t.Errorf("host status: exit %d\n%s", code, out)
	}
	configure("three", "")
	if out, code := h.Run("reload"); code != 6 || !strings.Contains(out, `there is no pool "three"`) {
		t.Errorf("a mistake: exit %d\n%s", code, out)
	}
	if got := said(); got != "200 hello one" {
		t.Error(got)
	}
}
