// Tasks of workers in Go: testdata/tasks-go.

package tasks

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAGoWorkerPushesAndDoesTasks(t *testing.T) {
	t.Parallel()
	program, err := harness.Build("./host/internal/e2e/testdata/tasks-go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	harness.Write(t, dir, "host.toml", fmt.Sprintf("state = \"state\"\n[engine]\ndirectory = \"engine\"\n[pool.web]\n"+
		"command = [%q, %q]\nworkers = 2\n[queue.q]\nattempts = 2\nbackoff = [\"50ms\"]\nconcurrency = 8\n", program,
		dir))
	h := harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	for path, want := range map[string]string{
		"/push/well":     "200 id well",
		"/panic/never":   "500",
		"/now/atonce":    "500",
		"/wait/plain":    "200 done: [plain 1]",
		"/wait/throws":   "200 failed: attempt 2",
		"/wait/fails":    "200 failed: no such user",
		"/wait/released": "200 done: [released 2]",
		"/wait/panics":   "200 done: [panics 2]",
	} {
		if status, body := h.Get(path); !strings.HasPrefix(fmt.Sprint(status, " ", body), want) {
			t.Errorf("%s: %d %s, not %s", path, status, body, want)
		}
	}
	// Its death may take the request of whoever waits along.
	if status, body := h.Get("/push/dies"); status != 200 {
		t.Error(status, body)
	}
	done := await(h, dir, 10)
	for name, want := range map[string]int{"well": 1, "well2": 1, "atonce": 1, "atonce2": 1, "follows": 1, "dies": 1,
		"dies2": 1, "never": 0, "nothing": 0} {
		if done[name] < want || want == 0 && done[name] > 0 {
			t.Errorf("%s was done %d times: %v", name, done[name], done)
		}
	}
	if out, code := h.Run("tasks", "failed", "q"); code != 0 || !strings.Contains(out, "attempt 2") ||
		!strings.Contains(out, "no such user") {
		t.Errorf("%d %s", code, out)
	}
}
