package operate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestWithoutAControlSocketTheCommandsFindTheirHostByItsFile(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	web, steer := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, dir, "token", "0123456789abcdef\n")
	os.Chmod(filepath.Join(dir, "token"), 0o600)
	harness.Write(t, dir, "host.toml", "[control]\nsocket = 'off'\nlisten = '"+steer+"'\ntoken_file = 'token'\n"+
		"[[listen]]\naddress = '"+web+"'\n[pool.web]\nworker = 'worker.php'\nworkers = 1\n")
	runtime := t.TempDir()
	env := []string{"XDG_RUNTIME_DIR=" + runtime}
	serve := exec.Command(harness.HostBinary, "serve")
	serve.Dir, serve.Env = dir, append(os.Environ(), env...)
	h := &harness.Host{T: t, Addr: web, URL: "http://" + web, Logs: &harness.LogBuffer{Grown: make(chan struct{})},
		Exited: make(chan struct{})}
	serve.Stdout, serve.Stderr = h.Logs, h.Logs
	if err := harness.Spawn(serve); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	h.Eventually("the host is found, with its worker idle", func() bool {
		out, code := command(t, dir, env, "status")
		return code == 0 && strings.Contains(out, "idle")
	})
	harness.DeployPages(t, dir, "2")
	if out, code := command(t, dir, env, "reload"); code != 0 {
		t.Errorf("host reload: exit %d\n%s", code, out)
	}
	if _, text := h.Get("/hello"); text != "hello 2" {
		t.Error(text)
	}
	if out, _ := command(t, dir, env, "check"); !strings.Contains(out, "control over TCP  "+steer) {
		t.Errorf("host check:\n%s", out)
	}
	if out, _ := command(t, dir, env, "doctor"); !strings.Contains(out, "control socket: off") ||
		!strings.Contains(out, "up ") {
		t.Errorf("host doctor:\n%s", out)
	}
	if left, _ := os.ReadDir(runtime); len(left) != 0 {
		t.Errorf("a socket was made: %v", left)
	}
	if out, code := command(t, dir, env, "stop"); code != 0 {
		t.Errorf("host stop: exit %d\n%s", code, out)
		serve.Process.Kill()
	}
	if err := <-ended; err != nil {
		t.Errorf("the host: %v", err)
	}
	if out, code := command(t, dir, env, "status"); code != 4 ||
		!strings.Contains(out, "no host answers at tcp://"+steer) {
		t.Errorf("afterwards: exit %d\n%s", code, out)
	}
}
