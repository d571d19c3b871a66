//go:build unix

package deploy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// checkout is a repository of somebody who writes code.
func (s *shop) checkout(version string) string {
	s.t.Helper()
	folder := s.code(version)
	git(s.t, folder, "init", "-q", "-b", "main")
	commit(s.t, folder)
	return folder
}

func commit(t *testing.T, folder string) {
	t.Helper()
	git(t, folder, "add", "-A")
	git(t, folder, "commit", "-q", "-m", "next")
}

// push gives what git prints, and whether it succeeded.
func (s *shop) push(folder string, refs ...string) (output string, ok bool) {
	s.t.Helper()
	to := filepath.Join(s.dir, "repository.git")
	cmd := exec.Command("git", append([]string{"-C", folder, "push", to}, refs...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C", "XDG_RUNTIME_DIR="+s.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func TestAPushDeploysAndAReleaseThatFailsRefusesIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, "[reload]\ncheck = [\"/hello\"]\n")
	s.deploy(s.code("1"))
	s.start()
	for range 2 { // once more changes nothing
		if out, code := s.run("deploy", "init"); code != 0 || !strings.Contains(out, "git push host main") {
			t.Fatalf("exit %d: %s", code, out)
		}
	}
	code := s.checkout("2")
	out, ok := s.push(code, "main")
	for _, text := range []string{"remote: take  release 2 is commit", "remote: done  release 2 is live"} {
		if !ok || !strings.Contains(out, text) {
			t.Errorf("the push does not say %q:\n%s", text, out)
		}
	}
	s.wants("2", "2")
	if out, _ := s.run("releases"); !strings.Contains(out, "push to main") {
		t.Errorf("the journal: %s", out)
	}
	harness.Write(t, code, "worker.php", "<?php throw new Exception('broken');")
	commit(t, code)
	if out, ok = s.push(code, "main"); ok || !strings.Contains(out, "broken") ||
		!strings.Contains(out, "pre-receive hook declined") {
		t.Errorf("the broken release was taken, %v:\n%s", ok, out)
	}
	s.wants("2", "2")
	if out, ok = s.push(code, "main:refs/heads/later"); !ok || !strings.Contains(out, "is taken, and not deployed") {
		t.Errorf("%s", out)
	}
	s.wants("2", "2")
	harness.DeployPages(t, code, "3")
	commit(t, code)
	if out, ok = s.push(code, "main"); !ok {
		t.Errorf("the mended release was refused:\n%s", out)
	}
	s.wants("4", "3")
	if out, ok = s.push(code, "-o", "build=x", "main:refs/heads/other"); ok || !strings.Contains(out,
		`git push -o "build=x": expected proves=`) {
		t.Errorf("an option that there is not was taken, %v:\n%s", ok, out)
	}
	harness.Write(t, code, "VERSION", "5")
	commit(t, code)
	if out, ok = s.push(code, "-o", "proves=f7", "main"); ok || !strings.Contains(out, "f7") {
		t.Errorf("nothing was proven, %v:\n%s", ok, out)
	}
	s.wants("4", "3")
	harness.Write(t, filepath.Join(s.dir, "repository.git/hooks"), "pre-receive", "#!/bin/sh\n")
	if out, code := s.run("deploy", "init"); code == 0 || !strings.Contains(out, "somebody else's") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// followed starts host deploy --follow.
func (s *shop) followed(args ...string) {
	s.t.Helper()
	cmd := s.command("deploy", append([]string{"--follow", "main"}, args...)...)
	said := &harness.LogBuffer{Grown: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = said, said
	harness.Must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || s.t.Failed() {
			s.t.Errorf("--follow ended with %v:\n%s", err, said)
		}
	})
}

// comes waits until a release is live.
func (s *shop) comes(release, version string) {
	s.t.Helper()
	s.Eventually("release "+release+" is live", func() bool { return s.current() == "releases/"+release })
	s.wants(release, version)
}

func TestABranchThatIsFollowedIsDeployedWhenItMoves(t *testing.T) {
	t.Parallel()
	s := newShop(t, "[deploy]\nrepository = \"code\"\n")
	code := s.checkout("1")
	harness.Must(t, os.Symlink(code, filepath.Join(s.dir, "code")))
	s.deploy("main")
	s.start()
	s.followed()
	harness.DeployPages(t, code, "2")
	commit(t, code)
	s.comes("2", "2")
	harness.Write(t, code, "worker.php", "<?php throw new Exception('broken');")
	commit(t, code)
	s.Eventually("the broken release has failed", func() bool { return strings.Contains(s.list(), "3.unfinished") })
	harness.DeployPages(t, code, "3")
	commit(t, code)
	s.comes("4", "3")
}

func TestASignedWebhookHasTheBranchDeployed(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	address := harness.FreeAddress(t)
	far := t.TempDir()
	s := newShop(t, "[deploy]\nrepository = \"file://"+far+"/bare.git\"\nwebhook = \""+address+
		"\"\nwebhook_secret_file = \"secret\"\n")
	harness.Write(t, s.dir, "secret", secret+"\n")
	code := s.checkout("1")
	git(t, code, "clone", "-q", "--bare", ".", filepath.Join(far, "bare.git"))
	s.deploy("main")
	s.start()
	s.followed("--every", "10m")
	harness.DeployPages(t, code, "2")
	commit(t, code)
	git(t, code, "push", "-q", filepath.Join(far, "bare.git"), "main")
	const body = `{"ref":"refs/heads/main"}`
	ask := func(key string) int {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(body))
		q, err := http.NewRequest(http.MethodPost, "http://"+address+"/", strings.NewReader(body))
		harness.Must(t, err)
		q.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		q.Header.Set("X-GitHub-Event", "push")
		w, err := http.DefaultClient.Do(q)
		if err != nil {
			return 0
		}
		w.Body.Close()
		return w.StatusCode
	}
	s.Eventually("webhooks are taken", func() bool { return !harness.Refused(address) })
	if status := ask("another secret..."); status != http.StatusForbidden {
		t.Errorf("with another secret: %d", status)
	}
	if status := ask(secret); status != http.StatusAccepted {
		t.Errorf("signed: %d", status)
	}
	s.comes("2", "2")
}
