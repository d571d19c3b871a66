//go:build unix

package deploy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// times is how often each is killed.
func times() int {
	if harness.Long {
		return 100
	}
	return 2
}

// whole fails the test unless the symlink leads to a release that is whole: built, and migrated. It gives its version.
func (s *shop) whole() (version string) {
	s.t.Helper()
	current := filepath.Join(s.dir, "current")
	version = harness.ReadFile(s.t, filepath.Join(current, "VERSION"))
	for _, step := range []string{"built", "migrated"} {
		if got, _ := os.ReadFile(filepath.Join(current, step)); string(got) != version {
			s.t.Errorf("current leads to %s of version %s, which is not %s", s.current(), version, step)
		}
	}
	return version
}

// killed begins a deploy, and kills it, and what it has started, after a share of the time that it takes.
func (s *shop) killed(version string, after time.Duration) {
	s.t.Helper()
	cmd := s.command("deploy", s.code(version))
	harness.Must(s.t, cmd.Start())
	select {
	case <-time.After(after):
	case <-s.Exited:
		s.t.Fatal("the host has ended")
	}
	cmd.Process.Kill()
	cmd.Wait() // of one that had ended by then there is no error
}

const steps = `[reload]
before = [["sh", "-c", "sleep 0.05; cp VERSION migrated"]]
[deploy]
shared = ["storage/"]
build = [["sh", "-c", "sleep 0.05; cp VERSION built"]]
keep = 3
`

// What kills the command alone leaves the rest to the host, if that has begun with it.
func TestADeployThatIsKilledIsMadeGoodByTheNext(t *testing.T) {
	t.Parallel()
	s := newShop(t, steps)
	s.deploy(s.code("first"))
	s.start()
	l := harness.NewLoad(s.Host).Fresh(3) // since one that is kept lasts for 90 seconds
	began := time.Now()
	s.deploy(s.code("second"))
	took := time.Since(began)
	for n := range times() {
		s.killed(fmt.Sprintf("killed-%d", n), time.Duration(rand.Int64N(int64(took))))
		s.whole()
		version := fmt.Sprintf("next-%d", n)
		out := s.deploy(s.code(version))
		if got := s.whole(); got != version {
			t.Errorf("then %s is live, and not %s:\n%s", got, version, out)
		}
		if _, got := s.Get("/hello"); got != "hello "+version {
			t.Errorf("then it answers %q, and not with %s:\n%s", got, version, out)
		}
		if list := s.list(); strings.Contains(list, ".unfinished") || len(strings.Fields(list)) > 4 {
			t.Errorf("it left %s:\n%s", list, out)
		}
	}
	l.Stop()
}

// A power cut ends all at once, and the host starts with what the symlink leads to.
func TestAPowerCutAtAnyMomentOfADeployLeavesAWholeRelease(t *testing.T) {
	t.Parallel()
	s := newShop(t, steps)
	s.deploy(s.code("first"))
	s.start()
	began := time.Now()
	s.deploy(s.code("second"))
	took := time.Since(began)
	for n := range times() {
		version := fmt.Sprintf("cut-%d", n)
		cmd := s.command("deploy", s.code(version))
		harness.Must(t, cmd.Start())
		time.Sleep(time.Duration(rand.Int64N(int64(took))))
		s.Kill(syscall.SIGKILL)
		cmd.Process.Kill()
		cmd.Wait()
		s.AwaitExit(time.Minute)
		live := s.whole()
		s.start()
		if _, got := s.Get("/hello"); got != "hello "+live {
			t.Errorf("after the power cut it answers %q, and current has %s", got, live)
		}
	}
	s.deploy(s.code("last"))
	if live := s.whole(); live != "last" {
		t.Errorf("at last %s is live", live)
	}
	if list := s.list(); strings.Contains(list, ".unfinished") || len(strings.Fields(list)) > 4 {
		t.Errorf("there is %s", list)
	}
}
