//go:build unix

// The gates of a reload: commands before and after it, and what new code has to answer.

package reload

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// gated is a host whose releases lie in folders of their own, each with a migration and a look at what is live.
type gated struct {
	*harness.Host
	dir string
}

// startGated has the gates of [pool.web.reload]. As root it gives the pool another user.
func startGated(t *testing.T, pool, gates string) gated {
	t.Helper()
	dir, err := os.MkdirTemp("", "gates") // which that user can reach
	harness.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	harness.Must(t, os.Chmod(dir, 0o755))
	if os.Geteuid() == 0 {
		pool += "\nuser = \"nobody\""
	}
	harness.Must(t, os.Mkdir(filepath.Join(dir, "shared"), 0o777))
	harness.Must(t, os.Chmod(filepath.Join(dir, "shared"), 0o777))
	g := gated{dir: dir}
	g.deploy(t, "1", "", "")
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[pool.web]\ndirectory = \"current\"\nworker = \"worker.php\"\n"+
		"env = { SHARED = %q }\n%s\n[pool.web.reload]\n%s\n", filepath.Join(dir, "shared"), pool, gates))
	g.Host = harness.Start(t, "-c", filepath.Join(dir, "host.toml"))
	return g
}

// deploy makes a release, and has current lead to it.
func (g gated) deploy(t *testing.T, version, migrate, look string) {
	t.Helper()
	release := filepath.Join(g.dir, version)
	harness.Must(t, os.Mkdir(release, 0o755))
	harness.DeployPages(t, release, version)
	for name, script := range map[string]string{"migrate": migrate, "look": look} {
		harness.Write(t, release, name, "#!/bin/sh\n"+script+"\n")
		harness.Must(t, os.Chmod(filepath.Join(release, name), 0o755))
	}
	next := filepath.Join(g.dir, "next")
	harness.Must(t, os.Symlink(version, next))
	harness.Must(t, os.Rename(next, filepath.Join(g.dir, "current")))
}

func (g gated) wants(t *testing.T, live string) {
	t.Helper()
	if _, got := g.Get("/hello"); got != "hello "+live {
		t.Errorf("it answers %q, and %s is to be live", got, live)
	}
}

func TestAFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	g := startGated(t, "workers = 2", "before = [[\"./migrate\", \"--force\"], [\"sh\", \"-c\", "+
		"\"echo second > $$SHARED/second\"]]")
	before := g.PIDs()
	g.deploy(t, "2", "echo \"$PWD $(id -un) $*\"; echo 'no column x, token=abc' >&2; exit 3", "")
	out, code := g.Run("reload")
	who := "root"
	if os.Geteuid() == 0 {
		who = "nobody"
	}
	for _, text := range []string{"web  before  ./migrate --force", g.dir + "/2 " + who + " --force",
		"no column x, token=REDACTED", "it ended with exit status 3", "before anything was replaced"} {
		if !strings.Contains(out, text) && !(who == "root" && strings.Contains(text, " root ")) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
	if now := g.PIDs(); code != 1 || now[0] != before[0] || now[1] != before[1] {
		t.Errorf("exit %d; the workers were %v and are %v", code, before, now)
	}
	g.wants(t, "1")
	if _, err := os.Stat(filepath.Join(g.dir, "shared/second")); err == nil {
		t.Error("the command after it ran all the same")
	}
	g.deploy(t, "3", "", "")
	if out, code = g.Run("reload", "web"); code != 0 || !strings.Contains(out, "passed in") {
		t.Errorf("exit %d: %s", code, out)
	}
	g.wants(t, "3")
	harness.AwaitFile(t, filepath.Join(g.dir, "shared"), "second")
	got := releases(t, g.Host)
	failed, good := got[len(got)-2].Pools, got[len(got)-1].Pools
	if len(failed) != 1 || len(failed[0].Gates) != 1 || failed[0].Gates[0].Error == "" ||
		failed[0].Result != "failed" || len(good[0].Gates) != 2 {
		t.Errorf("%+v\n%+v", failed, good)
	}
}

func TestNewCodeThatFailsItsCheckChangesNothing(t *testing.T) {
	t.Parallel()
	g := startGated(t, "workers = 2", "check = [{ path = \"/hello\", status = 200 }, \"/nowhere\"]")
	g.deploy(t, "2", "", "")
	out, code := g.Run("reload")
	if code != 1 || !strings.Contains(out, "GET /nowhere answered 404") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := g.Run("reload", "--dry-run"); code != 1 || !strings.Contains(out, "GET /nowhere answered 404") {
		t.Errorf("exit %d: %s", code, out)
	}
	g.wants(t, "1")
	pid := g.PIDs()[0]
	harness.KillNow(t, pid) // what starts anew is no new code
	g.Eventually("another one took its place", func() bool {
		now := g.PIDs()
		return len(now) == 2 && now[0] != pid && now[0] > 1
	})
}

func TestALookThatFailsTurnsBackAll(t *testing.T) {
	t.Parallel()
	g := startGated(t, "workers = 2", "after = [[\"./look\"]]")
	g.deploy(t, "2", "", "")
	g.Reload()
	g.wants(t, "2")
	g.deploy(t, "3", "", "echo 'the basket is empty'; exit 1")
	out, code := g.Run("reload")
	if code != 3 || !strings.Contains(out, "the basket is empty") || !strings.Contains(out, "put back") {
		t.Errorf("exit %d: %s", code, out)
	}
	g.wants(t, "2")
	got := releases(t, g.Host)
	if last := got[len(got)-1]; last.Outcome != "turned_back" || last.Pools[0].Result != "put_back" {
		t.Errorf("%+v", last)
	}
	file := filepath.Join(g.dir, "host.toml")
	text, err := os.ReadFile(file)
	harness.Must(t, err)
	harness.Write(t, g.dir, "host.toml", string(text)+"\non_failure = \"keep\"\n")
	if out, code = g.Run("reload"); code != 0 || !strings.Contains(out, "failed:") {
		t.Errorf("exit %d: %s", code, out)
	}
	g.wants(t, "3")
}

func TestAnAbortEndsTheCommandAtHand(t *testing.T) {
	t.Parallel()
	g := startGated(t, "workers = 1", "before = [[\"./migrate\"]]")
	g.deploy(t, "2", "sh -c 'echo $$ > $SHARED/pid; exec sleep 1000' & wait", "")
	type result struct {
		out  string
		code int
	}
	reload := make(chan result, 1)
	go func() { out, code := g.Run("reload"); reload <- result{out, code} }()
	pid := 0
	g.Eventually("the migration runs", func() bool {
		text, err := os.ReadFile(filepath.Join(g.dir, "shared/pid"))
		n, _ := fmt.Sscan(string(text), &pid)
		return err == nil && n == 1
	})
	if out, code := g.Run("reload", "--abort"); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	if r := <-reload; r.code != 8 {
		t.Errorf("exit %d: %s", r.code, r.out)
	}
	harness.AwaitGone(t, pid)
	g.wants(t, "1")

	go func() { out, code := g.Run("reload"); reload <- result{out, code} }()
	harness.Must(t, os.Remove(filepath.Join(g.dir, "shared/pid")))
	g.Eventually("it runs once more", func() bool {
		text, err := os.ReadFile(filepath.Join(g.dir, "shared/pid"))
		n, _ := fmt.Sscan(string(text), &pid)
		return err == nil && n == 1
	})
	g.Kill(syscall.SIGKILL)
	harness.AwaitGone(t, pid)
	<-reload
}

func TestAReloadWithAllGatesUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	g := startGated(t, "workers = 4\nsurge = 2",
		"before = [[\"./migrate\"]]\ncheck = [\"/hello\"]\nafter = [[\"./look\"]]")
	l := harness.NewLoad(g.Host).Kept(8).Fresh(1)
	for n, look := range []string{"exit 0", "exit 1", "exit 0"} {
		g.deploy(t, fmt.Sprint(n+2), "sleep 0.1", look)
		if out, code := g.Run("reload"); code != 0 && look == "exit 0" || code != 3 && look == "exit 1" {
			t.Errorf("exit %d: %s", code, out)
		}
	}
	g.wants(t, "4")
	l.Stop()
}
