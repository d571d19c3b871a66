//go:build unix

package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// shop is a host whose releases are made by host deploy.
type shop struct {
	*harness.Host
	t    *testing.T
	dir  string
	file string // the configuration
}

// newShop writes a configuration, of a pool that runs as nobody where that is possible.
func newShop(t *testing.T, tables string) *shop {
	t.Helper()
	dir, err := os.MkdirTemp("", "shop") // which that user can reach
	harness.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	harness.Must(t, os.Chmod(dir, 0o755))
	pool := ""
	if os.Geteuid() == 0 {
		pool = "user = \"nobody\"\n"
	}
	harness.Write(t, dir, "host.toml", "[pool.web]\ndirectory = \"current\"\nworker = \"worker.php\"\nworkers = 2\n"+
		pool+tables)
	return &shop{t: t, dir: dir, file: filepath.Join(dir, "host.toml")}
}

// code is a folder with a version of the application.
func (s *shop) code(version string) string {
	s.t.Helper()
	folder := filepath.Join(s.t.TempDir(), "code")
	harness.Must(s.t, os.Mkdir(folder, 0o755))
	harness.DeployPages(s.t, folder, version)
	harness.Write(s.t, folder, "VERSION", version)
	return folder
}

// start serves what current leads to.
func (s *shop) start() {
	s.t.Helper()
	s.Host = harness.Start(s.t, "-c", s.file)
}

// command is host deploy, or another one of that host.
func (s *shop) command(name string, args ...string) *exec.Cmd {
	command := []string{name, "-c", s.file}
	if s.Host != nil {
		command = append(command, "--control", s.Control)
	}
	cmd := exec.Command(harness.HostBinary, append(command, args...)...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+s.dir)
	return cmd
}

// run gives what it printed, and its exit status.
func (s *shop) run(name string, args ...string) (output string, code int) {
	s.t.Helper()
	cmd := s.command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// deploy fails the test unless it succeeds.
func (s *shop) deploy(args ...string) string {
	s.t.Helper()
	out, code := s.run("deploy", args...)
	if code != 0 {
		s.t.Fatalf("host deploy %q: exit %d\n%s", args, code, out)
	}
	return out
}

// current is the release that the symlink leads to.
func (s *shop) current() string {
	s.t.Helper()
	to, err := os.Readlink(filepath.Join(s.dir, "current"))
	harness.Must(s.t, err)
	return to
}

func (s *shop) wants(release, version string) {
	s.t.Helper()
	if to := s.current(); to != "releases/"+release {
		s.t.Errorf("current leads to %s, and %s is to be live", to, release)
	}
	if _, got := s.Get("/hello"); got != "hello "+version {
		s.t.Errorf("it answers %q, and version %s is to be live", got, version)
	}
}

// list is what is in the folder of the releases.
func (s *shop) list() string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, "releases"))
	harness.Must(s.t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.org"},
		args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestDeploysUnderLoadFailNoRequest(t *testing.T) {
	s := newShop(t, `[reload]
before = [["sh", "-c", "cp VERSION storage/migrated"]]
[deploy]
repository = "repo"
shared = ["storage/"]
build = [["sh", "-c", "echo built by $$(id -un) >built"]]
keep = 2
`)
	out := s.deploy(s.code("1"))
	if !strings.Contains(out, "no host runs") {
		t.Errorf("the first release: %s", out)
	}
	s.start()
	s.wants("1", "1")
	l := harness.NewLoad(s.Host).Kept(10).Fresh(2)
	out = s.deploy(s.code("2"))
	for _, text := range []string{"release 2 is of /", "build  passed in", "web  before  passed in",
		"current leads to releases/2", "release 2 is live"} {
		if !strings.Contains(out, text) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
	s.wants("2", "2")
	who := "built by nobody\n"
	if built := harness.ReadFile(t, filepath.Join(s.dir, "current/built")); os.Geteuid() == 0 && built != who {
		t.Errorf("the build: %q", built)
	}
	archive := filepath.Join(t.TempDir(), "shop.tar.gz")
	if out, err := exec.Command("tar", "czf", archive, "-C", s.code("3"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.deploy(archive, "web")
	s.wants("3", "3")
	repository := filepath.Join(s.dir, "repo")
	harness.Must(t, os.Mkdir(repository, 0o755))
	git(t, repository, "init", "-q", "-b", "main")
	harness.DeployPages(t, repository, "4")
	harness.Write(t, repository, "VERSION", "4")
	git(t, repository, "add", "-A")
	git(t, repository, "commit", "-q", "-m", "4")
	if out = s.deploy("main"); !strings.Contains(out, "removed release 2") {
		t.Errorf("the fourth: %s", out)
	}
	s.wants("4", "4")
	l.Stop()
	if got := s.list(); got != ".lock 3 4" {
		t.Errorf("there are %s", got)
	}
	if got := harness.ReadFile(t, filepath.Join(s.dir, "shared/storage/migrated")); got != "4" {
		t.Errorf("what is shared has %q", got)
	}
	commit := git(t, repository, "rev-parse", "HEAD")
	if out, _ := s.run("releases"); !strings.Contains(out, commit[:10]) || !strings.Contains(out, "deploy main") {
		t.Errorf("the journal: %s", out)
	}
	out, code := s.run("rollback")
	if code != 0 || !strings.Contains(out, "current leads to releases/3") {
		t.Errorf("exit %d: %s", code, out)
	}
	s.wants("3", "3")
	s.Reload()
	s.wants("3", "3")
	if out, code = s.run("rollback", "--release", "4"); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	s.wants("4", "4")
	if out, code = s.run("rollback", "--release", "1"); code != 1 || !strings.Contains(out, "no release 1") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestAReleaseThatFailsAtAnyStepLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	s := newShop(t, `[reload]
before = [["sh", "-c", "test ! -e fail-before"]]
check = ["/hello"]
after = [["sh", "-c", "test ! -e fail-after"]]
[deploy]
shared = ["storage"]
build = [["sh", "-c", "echo builds; test ! -e fail-build"]]
`)
	harness.Must(t, os.MkdirAll(filepath.Join(s.dir, "shared/storage"), 0o777))
	s.deploy(s.code("1"))
	s.start()
	l := harness.NewLoad(s.Host).Kept(4)
	number := 1
	for name, broken := range map[string]struct {
		file, text string
		says       []string
		code       int
	}{
		"build":  {"fail-build", "", []string{"build  │ builds", `the step "build" failed`}, 1},
		"before": {"fail-before", "", []string{"before  failed"}, 1},
		"boot":   {"worker.php", "<?php throw new Exception('broken');", []string{"did not start", "broken"}, 1},
		"syntax": {"worker.php", "<?php (", []string{"the changed code is broken"}, 1},
		"check": {"worker.php", "<?php require '" + harness.Repository + "/sdk-php/autoload.php';" +
			"WorkerHost\\Worker::create()->onRequest(fn () => WorkerHost\\Http\\Response::text('', 500))->run();",
			[]string{"GET /hello answered 500"}, 1},
		"after":  {"fail-after", "", []string{"after  failed", "is put back"}, 3},
		"source": {"link", "", []string{`the step "take" failed`, "/etc/passwd"}, 1},
	} {
		code := s.code("broken")
		if name == "source" {
			harness.Must(t, os.Symlink("/etc/passwd", filepath.Join(code, broken.file)))
		} else {
			harness.Write(t, code, broken.file, broken.text)
		}
		out, status := s.run("deploy", code)
		number++
		for _, text := range append(broken.says, fmt.Sprintf("releases/%d stays until the next deploy", number)) {
			if !strings.Contains(out, text) {
				t.Errorf("%s: it does not say %q:\n%s", name, text, out)
			}
		}
		if status != broken.code {
			t.Errorf("%s: exit %d:\n%s", name, status, out)
		}
		s.wants("1", "1")
	}
	l.Stop()
	s.deploy(s.code("2"))
	number++
	s.wants(fmt.Sprint(number), "2")
	if got := s.list(); got != fmt.Sprintf(".lock 1 %d", number) {
		t.Errorf("there are %s", got)
	}
}
