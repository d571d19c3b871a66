package tasks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestATaskThatFailedIsShownAndDoneOnceItsCodeIsMended(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddress(t)
	h, dir := start(t, `
$worker->onRequest(fn (Request $r) => $worker->tasks()->push('q', ['name' => substr($r->path, 1)], id: $r->path))
->onTask('q', function (Task $t): void {
    throw new \RuntimeException('not written yet');
    note($t->payload['name']);
})->run();`, "attempts = 2\nbackoff = [\"10ms\"]", "workers = 2\n[admin]\nlisten = \""+admin+"\"")
	run := func(want string, args ...string) (out string) {
		t.Helper()
		out, code := h.Run("tasks", args...)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("host tasks %s ended with %d, without %q:\n%s", strings.Join(args, " "), code, want, out)
		}
		return out
	}
	for _, path := range []string{"/one", "/two", "/three"} {
		if status, body := h.Get(path); status != 200 {
			t.Fatal(body)
		}
	}
	h.Eventually("three tasks that have failed", func() bool {
		var all []struct{ Failed int }
		out, code := h.Run("tasks", "--json")
		return code == 0 && json.Unmarshal([]byte(out), &all) == nil && len(all) == 1 && all[0].Failed == 3
	})
	run("serving")
	run("/two  of q, 2 attempts", "failed")
	run("RuntimeException: not written yet", "failed", "q")
	run(`"name": "two"`, "show", "/two")
	run("1 task of q deleted", "delete", "/three")
	run("q is paused", "pause", "q")

	worker := filepath.Join(dir, "worker.php")
	code, err := os.ReadFile(worker)
	if err != nil {
		t.Fatal(err)
	}
	harness.Write(t, dir, "worker.php",
		strings.Replace(string(code), `throw new \RuntimeException('not written yet');`, "", 1))
	h.Reload()
	run("1 task of q will be tried anew", "retry", "/one")
	run("1 task of q will be tried anew", "retry", "--all", "q")
	if done := noted(dir); len(done) > 0 {
		t.Errorf("%v, though the queue is paused", done)
	}
	run("paused")
	run("q goes on", "resume", "q")
	if done := await(h, dir, 2); done["one"] != 1 || done["two"] != 1 {
		t.Error(done)
	}
	for _, line := range []string{`waiting{queue="q"} 0`, `failed{queue="q"} 0`, `pushed_total{queue="q"} 3`,
		`ends_total{end="failed",queue="q"} 3`, `ends_total{end="done",queue="q"} 2`} {
		h.Eventually("workerhost_tasks_"+line, func() bool {
			_, page := harness.Asked(admin, "/metrics")
			return strings.Contains(page, "\nworkerhost_tasks_"+line+"\n")
		})
	}
	run("no task lies with the failed ones", "failed")
	for want, args := range map[string][]string{
		"there is no task": {"show", "/one"}, "there is no queue": {"purge", "r"},
	} {
		if out, code := h.Run("tasks", args...); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
}
