// host faults, host replay and host reload --proves.

package operate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/control"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

const dividing = `Worker::create()->onRequest(function (Request $request): Response {
    WorkerHost\Log::info('seen ' . $request->header('x-worker-replay', 'a client'));
    return Response::text((string) intdiv(1, (int) $request->query['n']));
})->run();
`

func TestAFaultIsFoundReplayedAndProvenMended(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	harness.WritePHP(t, dir, dividing)
	file := filepath.Join(dir, "host.toml")
	settings := "[faults]\nkeep = 10\n[pool.app]\nworker = \"worker.php\"\nworkers = 1\n"
	harness.Must(t, os.WriteFile(file, []byte(settings), 0o600))
	h := harness.Start(t, "-c", file)
	if status, _ := h.Get("/?n=0&token=hidden"); status != 500 {
		t.Fatal(status)
	}
	if status, body := h.Get("/?n=1"); status != 200 || body != "1" {
		t.Fatal(status, body)
	}
	expect := func(want int, says []string, command string, args ...string) {
		t.Helper()
		out, code := h.Run(command, args...)
		if code != want || strings.Contains(out, "hidden") {
			t.Errorf("host %s %q: exit %d\n%s", command, args, code, out)
		}
		for _, text := range says {
			if !strings.Contains(out, text) {
				t.Errorf("host %s %q: %q is missing\n%s", command, args, text, out)
			}
		}
	}
	expect(0, []string{"f1  status 500, 1 time in pool app", "DivisionByZeroError: Division by zero"}, "faults")
	expect(0, []string{"token=REDACTED", "#0 "}, "faults", "show", "f1")
	expect(3, []string{"f1 still fails as it did: status 500"}, "replay", "f1")
	expect(3, []string{"f1: it still fails: status 500: DivisionByZeroError", "generation 1"},
		"reload", "--proves", "f1")
	out, _ := h.Run("faults", "export", "f1")
	exported := filepath.Join(dir, "f1.json")
	harness.Must(t, os.WriteFile(exported, []byte(out), 0o600))

	mended := strings.Replace(dividing, "intdiv(1, (int) $request->query['n'])",
		"($request->query['n'] ? 1 : $undefined->method())", 1)
	harness.WritePHP(t, dir, mended)
	expect(3, []string{"f1 fails in another way"}, "replay", exported)
	harness.WritePHP(t, dir, strings.Replace(mended, "$undefined->method()", "0", 1))
	out, code := h.Run("replay", "--json", "f1")
	var came control.Replayed
	err := json.Unmarshal([]byte(out), &came)
	if err != nil || code != 0 || came.Status != 200 || string(came.Body) != "0" {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	expect(0, []string{"f1 (GET /?n=0&token=REDACTED, status 500) does not fail any more"}, "reload", "--proves", "f1")
	if status, body := h.Get("/?n=0"); status != 200 || body != "0" {
		t.Error(status, body)
	}
	if n := h.Begun("1"); n != 5 {
		t.Errorf("code was told of %d replays", n)
	}
	expect(2, []string{"there is no fault"}, "replay", "f9")
	h.Stop()
}
