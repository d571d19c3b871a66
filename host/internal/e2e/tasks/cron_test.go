package tasks

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestATaskIsPushedByTheClockUnlessTheOneBeforeIsNotOver(t *testing.T) {
	t.Parallel()
	h, dir := start(t, `
$worker->onRequest(fn () => 'ok')->onTask('q', function (Task $t): void {
    note($t->payload['kind'] . '/' . $t->payload['sizes'][1] . '/' . $t->id);
    sleep(3);
})->run();`, `concurrency = 2
[[cron]]
name = "tick"
schedule = "* * * * * *"
task = "q"
payload = { kind = "report", sizes = [1, 2] }
[[cron]]
name = "daily"
schedule = "@yearly"
task = "q"
payload = { kind = "other", sizes = [1, 2] }`, "workers = 3")
	await(h, dir, 1)
	var all []struct {
		Name          string
		Runs, Skipped int
	}
	h.Eventually("runs that are left out", func() bool {
		out, code := h.Run("cron", "--json")
		return code == 0 && json.Unmarshal([]byte(out), &all) == nil && len(all) == 2 && all[0].Runs >= 1 &&
			all[0].Skipped >= 1
	})
	if out, code := h.Run("cron", "run", "daily"); code != 0 {
		t.Fatal(out)
	}
	await(h, dir, 2)
	done := noted(dir)
	if done[0] != "report/2/cron" || !strings.Contains(strings.Join(done, " "), "other/2/cron daily") {
		t.Error(done)
	}
}
