//go:build unix

package deploy

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestACanaryThatTurnsAReleaseBackLeavesTheSymlinkAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, "")
	s.deploy(s.code("1"))
	s.start()
	over := make(chan struct{})
	var crowd sync.WaitGroup
	crowd.Go(func() { // without cookies each request is a client
		for {
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if w, err := http.Get(s.URL + "/hello"); err == nil {
				w.Body.Close()
			}
		}
	})
	code := s.code("2")
	harness.WritePHP(t, code, harness.AnsweringWith("'', 500"))
	out, status := s.run("deploy", code, "--canary", "50%", "--for", "5s", "--at-most", "60s")
	close(over)
	crowd.Wait()
	if status != 3 || !strings.Contains(out, "the new code is turned back") {
		t.Errorf("exit %d:\n%s", status, out)
	}
	s.wants("1", "1")
}

// Nothing is put live if the symlink could not follow.
func TestWhereTheSymlinkCannotMoveNothingGoesLive(t *testing.T) {
	t.Parallel()
	s := newShop(t, "")
	s.deploy(s.code("1"))
	s.start()
	harness.Must(t, os.MkdirAll(filepath.Join(s.dir, ".current.next/something"), 0o755))
	out, status := s.run("deploy", s.code("2"))
	if status != 1 || !strings.Contains(out, "can't be made ready to lead elsewhere") {
		t.Errorf("exit %d:\n%s", status, out)
	}
	s.wants("1", "1")
	harness.Must(t, os.RemoveAll(filepath.Join(s.dir, ".current.next")))
	harness.Must(t, os.Mkdir(filepath.Join(s.dir, "releases/4"), 0o755)) // by hand
	s.deploy(s.code("3"))
	s.wants("5", "3")
	if out, status = s.run("rollback", "--release", "9", "--json"); status != 1 ||
		!strings.Contains(out, `{"event":"error","outcome":"failed","status":1`) {
		t.Errorf("exit %d:\n%s", status, out)
	}
}

// Root could be led elsewhere in a folder that another user may write to.
func TestRootDeploysAsTheOwnerOfTheFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	const owner = 65534
	s := newShop(t, "[deploy]\nbuild = [[\"sh\", \"-c\", \"id -u >built\"]]\n")
	harness.Write(t, s.dir, "host.toml", strings.Replace(harness.ReadFile(t, s.file), "user = \"nobody\"", "", 1))
	code := filepath.Join(s.dir, "code")
	harness.Must(t, os.Mkdir(code, 0o755))
	harness.DeployPages(t, code, "1")
	harness.Must(t, os.Lchown(s.dir, owner, owner))
	s.deploy(code)
	if built := harness.ReadFile(t, filepath.Join(s.dir, "current/built")); built != "65534\n" {
		t.Errorf("it was built by %s", built)
	}
	for _, name := range []string{"current", "releases", "releases/.lock", "releases/1", "releases/1/worker.php"} {
		info, err := os.Lstat(filepath.Join(s.dir, name))
		harness.Must(t, err)
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != owner {
			t.Errorf("%s belongs to %d", name, uid)
		}
	}
	if out, code := s.run("rollback", "--release", "9"); code != 1 || !strings.Contains(out, "no release 9") {
		t.Errorf("exit %d: %s", code, out)
	}
}
