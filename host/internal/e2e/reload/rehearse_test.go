// host reload --rehearse.

package reload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// priced is a worker whose pages have a token that changes, and a price.
func priced(price string) string {
	return strings.ReplaceAll(`WorkerHost\Worker::create()
    ->onRequest(function (WorkerHost\Http\Request $request): WorkerHost\Http\Response {
        if ($request->path === '/events') {
            return WorkerHost\Http\Response::text("data: x\n\n", headers: ['Content-Type' => 'text/event-stream']);
        }
        $token = bin2hex(random_bytes(16));
        return WorkerHost\Http\Response::html("<input name=token value=$token>\n<p>Price: PRICE</p>\n");
    })
    ->run();
`, "PRICE", price)
}

func TestAReloadThatIsRehearsedGoesLiveOnlyIfNoAnswerDiffers(t *testing.T) {
	t.Parallel()
	dir := harness.PHPWorker(t, priced("10"))
	h := harness.Start(t, "-n", "1", dir)
	log := filepath.Join(t.TempDir(), "access.log")
	harness.Must(t, os.WriteFile(log, []byte("/\n/price/1\n/price/2\n/events\nPOST /order\n"), 0o644))
	price := func(want string) {
		t.Helper()
		if _, body := h.Get("/"); !strings.Contains(body, "Price: "+want+"<") {
			t.Errorf("the price is not %s:\n%s", want, body)
		}
	}

	out, code := h.Run("reload", "--rehearse", log)
	if code != 0 || !strings.Contains(out, "No difference in 4 answers.") {
		t.Fatalf("the same code: exit %d\n%s", code, out)
	}
	harness.WritePHP(t, dir, priced("12"))
	out, code = h.Run("reload", "--rehearse", log)
	for _, want := range []string{"rehearsal: 3 of 4 answers differ", "GET /price/{n}  body, 2 times",
		"-<p>Price: 10</p>", "+<p>Price: 12</p>", "nothing was changed: the new code differs in 3 of 4 answers"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	if code != 3 {
		t.Errorf("other code: exit %d", code)
	}
	price("10")
	if out, code = h.Run("reload", "--rehearse", log, "--compare", "status"); code != 0 {
		t.Errorf("other code, by its status: exit %d\n%s", code, out)
	}
	price("12")
	harness.WritePHP(t, dir, "throw new Exception('broken');")
	if out, code = h.Run("reload", "--rehearse", log); code != 1 ||
		!strings.Contains(out, "the new code does not start") {
		t.Errorf("broken code: exit %d\n%s", code, out)
	}
	harness.WritePHP(t, dir, strings.Replace(priced("12"), "Price: 12",
		"Price: {$request->header('Cookie')} {$request->header('Host')}", 1))
	out, code = h.Run("reload", "--rehearse", log, "--header", "Cookie: n=7", "--header", "Host: shop.example",
		"--for", "5s")
	if code != 3 || !strings.Contains(out, "+<p>Price: n=7 shop.example</p>") {
		t.Errorf("with headers: exit %d\n%s", code, out)
	}
	for _, args := range [][]string{{"--header", "a: b"}, {"--rehearse", log, "--header", "a"},
		{"--rehearse", log, "--for", "1ms"}, {"--compare", "status"}, {"--rehearse", log, "--dry-run"},
		{"--rehearse", log, "--compare", "colour"}, {"--rehearse", log, "--ignore", "("}} {
		if out, code := h.Run("reload", args...); code != 2 {
			t.Errorf("%q: exit %d\n%s", args, code, out)
		}
	}
}
