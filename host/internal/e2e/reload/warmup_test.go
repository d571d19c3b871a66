// What new code has to show before it gets traffic: the dry run of a reload, and the warm-up.

package reload

import (
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// warmSite says hello in a version, and answers its warm-up with a status.
func warmSite(version, status string) string {
	return `fwrite(STDERR, "booted ` + version + `\n");
$warm = false;
Worker::create()->onRequest(function (Request $request) use (&$warm): Response {
    if ($request->path === '/health') {
        $warm = $request->header('X-Worker-Warmup') === '1' && ($request->headers['host'] ?? []) === ['localhost'];
        return Response::text('as said', ` + status + `);
    }
    return Response::text($warm ? 'warm ` + version + `' : 'cold');
})->run();
`
}

func TestDryRunShowsWhatAReloadWouldDoAndChangesNothing(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, warmSite("1", "204"))
	h := harness.StartPHP(t, dir, "", "workers = 2\nwarmup = [\"/health\"]", "")
	before := h.PIDs()
	try := func(want int, says ...string) {
		t.Helper()
		out, code := h.Run("reload", "--dry-run")
		if code != want {
			t.Errorf("exit %d, not %d:\n%s", code, want, out)
		}
		for _, text := range says {
			if !strings.Contains(out, text) {
				t.Errorf("it does not say %q:\n%s", text, out)
			}
		}
		if now := h.PIDs(); len(now) != 2 || now[0] != before[0] || now[1] != before[1] {
			t.Errorf("the workers were %v and are %v", before, now)
		}
		if _, got := h.Get("/"); got != "warm 1" {
			t.Errorf("it answers %q", got)
		}
	}
	harness.WritePHP(t, dir, warmSite("2", "200"))
	try(0, "booted 2", "a new worker is ready", "memory", "nothing was changed")
	harness.WritePHP(t, dir, warmSite("3", "500"))
	try(1, "booted 3", "warm-up GET /health answered 500: as said", "nothing was changed")
	harness.WritePHP(t, dir, "syntax error")
	try(1, "Parse error", "nothing was changed")

	harness.WritePHP(t, dir, warmSite("3", "500"))
	if out, code := h.Run("reload"); code != 1 || !strings.Contains(out, "warm-up GET /health answered 500: as said") {
		t.Errorf("exit %d: %s", code, out)
	}
	harness.WritePHP(t, dir, warmSite("4", "200"))
	h.Reload()
	if _, got := h.Get("/"); got != "warm 4" {
		t.Errorf("it answers %q", got)
	}
}

// A reload of several workers at once, and one that ends the old worker before the new one starts, are as seamless as
// any.
func TestReloadSeveralAtOnceOrInPlaceFailsNoRequest(t *testing.T) {
	for _, pool := range []string{"workers = 6\nsurge = 3", "workers = 2\nin_place = true"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			dir := harness.Pages(t, "1")
			h := harness.StartPHP(t, dir, "", "warmup = [\"/hello\"]\n"+pool, "")
			l := harness.NewLoad(h).Kept(8).Posts(1, 100_000, "length")
			for _, version := range []string{"2", "3"} {
				harness.DeployPages(t, dir, version)
				out := h.Reload()
				if _, got := h.Get("/hello"); got != "hello "+version {
					t.Errorf("it answers %q\n%s", got, out)
				}
			}
			l.Stop()
		})
	}
}

func TestAbortEndsAReloadAfterTheWorkerAtHand(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, warmSite("1", "200"))
	h := harness.StartPHP(t, dir, "", "workers = 3", "")
	if out, code := h.Run("reload", "--abort"); code != 1 || !strings.Contains(out, "no reload is under way") {
		t.Errorf("exit %d: %s", code, out)
	}
	harness.WritePHP(t, dir, "usleep(700_000);\n"+warmSite("2", "200"))
	type result struct {
		out  string
		code int
	}
	reload := make(chan result)
	go func() { out, code := h.Run("reload"); reload <- result{out, code} }()
	h.Eventually("the first worker is replaced", func() bool {
		out, _ := h.Run("status")
		return strings.Contains(out, "reloading: 1 of 3 workers replaced")
	})
	out, code := h.Run("reload", "--abort")
	if code != 0 || !strings.Contains(out, "the reload was aborted") || !strings.Contains(out, "generation 1") {
		t.Errorf("exit %d: %s", code, out)
	}
	if r := <-reload; r.code != 7 || !strings.Contains(r.out, "the reload was aborted") {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
	if st := h.Status(); st.Pools[0].Workers[0].Generation != 2 || st.Pools[0].Workers[2].Generation != 1 {
		t.Errorf("%+v", st.Pools[0].Workers)
	}
}

func TestPoolThatIsNeverReloadedKeepsItsWorkers(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, warmSite("1", "200"))
	h := harness.StartPHP(t, dir, "", "workers = 2\nreload = \"never\"", "")
	before := h.PIDs()
	if out := h.Reload(); !strings.Contains(out, "keeps its workers") {
		t.Error(out)
	}
	if now := h.PIDs(); now[0] != before[0] || now[1] != before[1] {
		t.Errorf("the workers were %v and are %v", before, now)
	}
}
