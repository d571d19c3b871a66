// Package tasks pushes tasks to real hosts with real workers, kills, reloads and replaces these, and counts.
package tasks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// start serves code that notes in the file "done" what it has done, a line each, by note(). $dir is its folder.
func start(t *testing.T, code, queue, pool string) (h *harness.Host, dir string) {
	t.Helper()
	dir = harness.PHPWorker(t, prelude+code)
	harness.Write(t, dir, "host.toml", "state = \"state\"\n[engine]\ndirectory = \"engine\"\n"+
		"[pool.web]\nworker = \"worker.php\"\n"+pool+"\n[queue.q]\n"+queue+"\n")
	return harness.Start(t, "-c", filepath.Join(dir, "host.toml")), dir
}

const prelude = `use WorkerHost\{Connection, Task};
$dir = __DIR__;
function note(string $line): void { file_put_contents(__DIR__ . '/done', "$line\n", FILE_APPEND | LOCK_EX); }
$worker = Worker::create();
`

// noted are the lines so far.
func noted(dir string) []string {
	b, _ := os.ReadFile(filepath.Join(dir, "done"))
	return strings.Fields(string(b))
}

// await waits until n different lines are there.
func await(h *harness.Host, dir string, n int) (times map[string]int) {
	h.T.Helper()
	h.Eventually(fmt.Sprintf("%d tasks done", n), func() bool {
		times = map[string]int{}
		for _, line := range noted(dir) {
			times[line]++
		}
		return len(times) >= n
	})
	return times
}
