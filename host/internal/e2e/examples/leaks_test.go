// What the examples show leaves nothing behind.

package examples

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestTheExamplesLeakNothing(t *testing.T) {
	t.Setenv("APP_DATA", t.TempDir())
	for example, urls := range map[string][]string{
		"hello-php":         {"/"},
		"app-php":           {"/", "/api/notes", "/report.csv"},
		"symfony-php":       {"/", "/hello/Ada", "/journal", "/report.csv"},
		"frankenphp-script": {"/", "/stream", "/report", "/later"},
	} {
		var folder string
		args := []string{"check"}
		switch example {
		case "hello-php":
			args = append(args, release(t, t.TempDir(), "1", example))
		case "symfony-php":
			folder = releaseSymfony(t, t.TempDir(), "1")
		default:
			folder = release(t, t.TempDir(), "1", example)
		}
		if folder != "" {
			args = append(args, "-c", filepath.Join(folder, "host.toml"))
		}
		for _, url := range urls {
			args = append(args, "--leaks", url)
		}
		out, err := exec.Command(harness.HostBinary, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Nothing leaks there.") {
			t.Errorf("%s: %v\n%s", example, err, out)
		}
	}
}
