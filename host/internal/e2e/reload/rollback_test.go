// host rollback: what ran before is live again, at once where its workers are parked, and nobody notices.

package reload

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestARollBackUnderLoadFailsNoRequest(t *testing.T) {
	for name, park := range map[string]string{"parked": "10m", "not parked": "0"} {
		t.Run(name, func(t *testing.T) {
			h, release := folders(t, fmt.Sprintf("workers = 4\npark = %q", park))
			l := harness.NewLoad(h).Kept(15).Fresh(2)
			release("2")
			h.Reload()
			asked := time.Now()
			out, code := h.Run("rollback")
			took := time.Since(asked)
			for range 40 { // ten of each worker
				if _, got := h.Get("/hello"); got != "hello 1" {
					t.Errorf("after the roll back %q is live", got)
				}
			}
			l.Stop()
			if code != 0 || !strings.Contains(out, "web  rolled back: 4 workers of generation 1") ||
				strings.Count(out, "was parked") != map[string]int{"10m": 4, "0": 0}[park] ||
				!strings.Contains(out, "current still leads to") {
				t.Errorf("exit status %d: %s", code, out)
			}
			t.Logf("the roll back took %v", took.Round(time.Millisecond))
			if out, _ := h.Run("releases", "web"); strings.Count(out, "rolled back") != 1 {
				t.Errorf("the journal: %s", out)
			}
			if out := h.Reload(); !strings.Contains(out, "was rolled back from generation 2") {
				t.Errorf("forward again: %s", out)
			}
			if _, got := h.Get("/hello"); got != "hello 2" {
				t.Errorf("then %q is live", got)
			}
		})
	}
}

func TestCodeThatIsEditedInPlaceIsNotRolledBack(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.StartPHP(t, dir, "", "workers = 1\npark = \"10m\"", "")
	harness.DeployPages(t, dir, "2")
	h.Reload()
	out, code := h.Run("rollback")
	if code != 1 || !strings.Contains(out, "deploy each release into a folder of its own") {
		t.Errorf("exit status %d: %s", code, out)
	}
	if _, got := h.Get("/hello"); got != "hello 2" {
		t.Errorf("then %q is live", got)
	}
}

func TestAGoWorkerIsRolledBack(t *testing.T) {
	t.Parallel()
	program, err := harness.Build("./host/internal/e2e/testdata/pages-go")
	harness.Must(t, err)
	for _, park := range []string{"10m", "0"} {
		site := t.TempDir()
		release := func(version string) {
			harness.Must(t, os.Mkdir(filepath.Join(site, version), 0o755))
			harness.Write(t, filepath.Join(site, version), "VERSION", version)
			lead(t, site, version)
		}
		release("1")
		harness.Write(t, site, "host.toml", fmt.Sprintf("[pool.web]\ndirectory = \"current\"\ncommand = [%q]\n"+
			"workers = 2\npark = %q\n", program, park))
		h := harness.Start(t, "-c", filepath.Join(site, "host.toml"))
		release("2")
		h.Reload()
		if out, code := h.Run("rollback"); code != 0 {
			t.Errorf("exit status %d: %s", code, out)
		}
		if _, got := h.Get("/hello"); got != "hello 1" {
			t.Errorf("then %q is live", got)
		}
	}
}

// folders starts a host of pages, and gives what deploys a release into a folder of its own.
func folders(t *testing.T, settings string) (h *harness.Host, release func(version string)) {
	site := t.TempDir()
	release = func(version string) {
		dir := filepath.Join(site, version)
		harness.Must(t, os.Mkdir(dir, 0o755))
		harness.DeployPages(t, dir, version)
		lead(t, site, version)
	}
	release("1")
	harness.Write(t, site, "host.toml", "[pool.web]\ndirectory = \"current\"\nworker = \"worker.php\"\n"+settings+"\n")
	return harness.Start(t, "-c", filepath.Join(site, "host.toml")), release
}

// lead has the symlink lead to a release.
func lead(t *testing.T, site, version string) {
	harness.Must(t, os.Symlink(version, filepath.Join(site, "new")))
	harness.Must(t, os.Rename(filepath.Join(site, "new"), filepath.Join(site, "current")))
}
