// What the command says when something is wrong, and that it changes nothing then.

package operate

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// command runs the binary to its end, in a folder and with further environment.
func command(t *testing.T, dir string, env []string, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.HostBinary, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("host %s did not end:\n%s", strings.Join(args, " "), out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestEveryMistakeIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	harness.Write(t, dir, "plain", "no program\n")
	harness.Write(t, dir, "foreign", "\x7fELF of another machine\n")
	harness.Write(t, dir, "script", "#!/no/such/interpreter\n")
	for _, program := range []string{"foreign", "script"} {
		if err := os.Chmod(filepath.Join(dir, program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	control := filepath.Join(dir, "c.sock")
	toml := func(text string) string { harness.Write(t, dir, "bad.toml", text); return "bad.toml" }
	pool := "\n[pool.web]\nworker = \"worker.php\"\n"
	for name, c := range map[string]struct {
		env  []string
		args []string
		says []string
	}{
		"no php": {[]string{"PATH=/nowhere"},
			[]string{"serve", "--control", control, "-l", "127.0.0.1:0", "worker.php"}, []string{"php", "install"}},
		"a port taken": {nil, []string{"serve", "--control", control, "-l", taken.Addr().String(), "worker.php"},
			[]string{taken.Addr().String(), "in use"}},
		"an unknown key": {nil, []string{"serve", "-c", toml("[http]\nmax_boddy = 1\n" + pool)},
			[]string{"bad.toml:2", "max_body"}},
		"no such worker": {nil, []string{"serve", "--control", control, "nowhere.php"}, []string{"nowhere.php"}},
		"nothing to serve": {nil, []string{"serve", "--control", control},
			[]string{"nothing to serve", "host serve"}},
		"an unknown flag": {nil, []string{"serve", "--lisen", ":1", "worker.php"}, []string{"--listen"}},
		"an unknown verb": {nil, []string{"relod"}, []string{"host reload"}},
		"no such config":  {nil, []string{"serve", "-c", "nowhere.toml"}, []string{"nowhere.toml"}},
		"status, no host": {nil, []string{"status", "--control", control}, []string{control}},
		"reload, no host": {nil, []string{"reload", "--control", control}, []string{control}},
		"stop, no host":   {nil, []string{"stop", "--control", control}, []string{control}},
		"a bad -n":        {nil, []string{"serve", "-n", "0", "worker.php"}, []string{"-n"}},
		"no such command": {nil, []string{"serve", "--control", control, "-l", "127.0.0.1:0", "--",
			"no-such-program"}, []string{"no-such-program"}},
		"not executable": {nil, []string{"serve", "--control", control, "-l", "127.0.0.1:0", "--", "./plain"},
			[]string{"/plain", "permission denied", "chmod +x"}},
		"no such path": {nil, []string{"serve", "--control", control, "-l", "127.0.0.1:0", "--", "./nowhere"},
			[]string{"/nowhere", "mend the path"}},
		"a foreign program": {nil, []string{"serve", "--control", control, "-l", "127.0.0.1:0", "--", "./foreign"},
			[]string{"pool default: ", "/foreign can't be started", "format error", "build it for this one"}},
		"no interpreter": {nil, []string{"serve", "--control", control, "-l", "127.0.0.1:0", "--", "./script"},
			[]string{"/script can't be started", "interpreter", "is missing"}},
		"a socket nowhere": {nil, []string{"serve", "--control", control, "-l", "unix:" + dir + "/none/http.sock",
			"worker.php"}, []string{dir + "/none/http.sock",
			"its folder does not exist, or is a symlink to what does not: create it first"}},
		"a socket in /sys": {nil, []string{"serve", "--control", control, "-l", "unix:/sys/http.sock", "worker.php"},
			[]string{"/sys/http.sock", "choose another path"}},
		"a control nowhere": {nil, []string{"serve", "--control", "/sys/c.sock", "-l", "127.0.0.1:0", "worker.php"},
			[]string{"/sys/c.sock", "--control PATH"}},
		"a folder in vain": {nil, []string{"serve", "--control", control, t.TempDir()}, []string{"worker.php"}},
		"a missing address": {nil, []string{"serve", "--control", control, "-l", "203.0.113.1:8080", "worker.php"},
			[]string{"203.0.113.1:8080"}},
	} {
		out, code := command(t, dir, c.env, c.args...)
		if code == 0 || strings.Contains(out, "goroutine ") {
			t.Errorf("%s: exit %d\n%s", name, code, out)
		}
		for _, text := range c.says {
			if !strings.Contains(out, text) {
				t.Errorf("%s: it does not say %q:\n%s", name, text, out)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.sock*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Under half of that Go's runtime dies before the host's first line, with a dump of its own.
func TestTooLittleAddressSpaceIsToldInWords(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the limit is looked at on Linux only")
	}
	cmd := exec.Command("sh", "-c", `ulimit -v 1900000 && exec "$0" serve worker.php`, harness.HostBinary)
	cmd.Dir = harness.Pages(t, "1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 ||
		!strings.Contains(string(out), "1.8 GiB of memory may be mapped (ulimit -v") ||
		strings.Contains(string(out), "goroutine ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestOneControlSocketBelongsToOneHost(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	h := harness.Start(t, "-n", "1", dir)
	out, code := command(t, dir, nil, "serve", "--control", h.Control, "-l", "127.0.0.1:0", "worker.php")
	if code != 1 || !strings.Contains(out, h.Control) {
		t.Errorf("a second host: exit %d\n%s", code, out)
	}
	if _, text := h.Get("/hello"); text != "hello 1" {
		t.Errorf("the first host: %q", text)
	}
	if info, err := os.Stat(h.Control); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket: %v %v", info, err)
	}
	got, err := exec.Command("curl", "-sS", "--max-time", "10", "--unix-socket", h.Control,
		"http://host/v1/status").Output()
	var st harness.Status
	if err != nil || json.Unmarshal(got, &st) != nil || len(st.Pools) != 1 {
		t.Errorf("curl: %v %s", err, got)
	}
	// A socket that a dead host left is replaced.
	h.Kill(syscall.SIGKILL)
	h.AwaitExit(5 * time.Second)
	if _, err := os.Stat(h.Control); err != nil {
		t.Fatalf("a killed host left no socket: %v", err)
	}
	addr := harness.FreeAddress(t)
	second := exec.Command(harness.HostBinary, "serve", "--control", h.Control, "-l", addr, "-n", "1", "worker.php")
	second.Dir = dir
	if err := harness.Spawn(second); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Wait() }()
	answers := false
	for deadline := time.Now().Add(20 * time.Second); !answers &&
		time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		out, code = command(t, dir, nil, "status", "--control", h.Control)
		answers = code == 0 && strings.Contains(out, addr)
	}
	if !answers {
		t.Errorf("no host answers at the socket: %s", out)
	}
	second.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("the second host: %v", err)
	}
	if _, err := os.Stat(h.Control); err == nil {
		t.Error("the control socket outlives its host")
	}
}

// Without flags the commands find the host by the folder, and host.toml's by its path, moved symlinks or not.
func TestCommandsFindTheirHost(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	for _, release := range []string{"1", "2"} {
		dir := filepath.Join(site, "releases", release)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		harness.DeployPages(t, dir, release)
		harness.Write(t, dir, "host.toml", "[pool.web]\nworker = \"worker.php\"\nworkers = 1\n")
	}
	current := filepath.Join(site, "current")
	os.Symlink("releases/1", current)
	runtime, err := os.MkdirTemp("", "r")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	env := []string{"XDG_RUNTIME_DIR=" + runtime}
	addr := harness.FreeAddress(t)
	serve := exec.Command(harness.HostBinary, "serve", "-l", addr, "-c", current+"/host.toml")
	serve.Dir, serve.Env = site, append(os.Environ(), env...)
	if err := harness.Spawn(serve); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	h := &harness.Host{T: t, Addr: addr, URL: "http://" + addr, Logs: &harness.LogBuffer{Grown: make(chan struct{})},
		Exited: make(chan struct{})}
	h.Eventually("the host is found by -c, with its worker idle", func() bool {
		out, code := command(t, site, env, "status", "-c", "current/host.toml")
		return code == 0 && strings.Contains(out, "idle")
	})
	os.Symlink("releases/2", current+".new")
	os.Rename(current+".new", current)
	if out, code := command(t, site, env, "reload", "-c", "current/host.toml"); code != 0 {
		t.Errorf("host reload after the symlink moved: exit %d\n%s", code, out)
	}
	if _, text := h.Get("/hello"); text != "hello 2" {
		t.Error(text)
	}
	if out, code := command(t, current, append(env, "PWD="+current), "stop"); code != 0 {
		t.Errorf("host stop in the folder: exit %d\n%s", code, out)
		serve.Process.Kill()
	}
	if err := <-ended; err != nil {
		t.Errorf("the host: %v", err)
	}
}

func TestCheckShowsWhatWouldRunAndTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := harness.Pages(t, "1")
	harness.Write(t, dir, "host.toml", "control = \"c.sock\"\n[[listen]]\naddress = "+
		"\"127.0.0.1:1\"\n[pool.web]\nworker = \"worker.php\"\nphp_ini = { memory_limit = \"77M\" }\n")
	before, _ := os.ReadDir(dir)
	out, code := command(t, dir, nil, "check")
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, text := range []string{"127.0.0.1:1", "web", "memory_limit=77M", "opcache.enable_cli=1", "worker.php",
		"c.sock"} {
		if !strings.Contains(out, text) {
			t.Errorf("it does not say %q:\n%s", text, out)
		}
	}
	if after, _ := os.ReadDir(dir); len(after) != len(before) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

func TestTheSDKOfTheBinaryIsAllThatAWorkerNeeds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, code := command(t, dir, nil, "sdk", "php", "sdk"); code != 0 || !strings.Contains(out, "autoload.php") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	harness.Write(t, dir, "worker.php", `<?php
		require __DIR__ . '/sdk/autoload.php';
		WorkerHost\Worker::create()->onRequest(fn ($r) => WorkerHost\Http\Response::json(['path' => $r->path, 'files' => get_included_files()]))->run();`)
	h := harness.Start(t, "-n", "1", dir)
	code, text := h.Get("/first")
	if code != 200 || !strings.Contains(text, `"path":"/first"`) || strings.Contains(text, harness.Repository) {
		t.Errorf("%d %s", code, text)
	}
	// Run by hand the worker says what it is.
	out, err := exec.Command("php", filepath.Join(dir, "worker.php")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "host serve") {
		t.Errorf("by hand: %v %s", err, out)
	}
	if out, code := command(t, dir, nil, "sdk", "php", "."); code == 0 {
		t.Errorf("a folder that is not empty was written into:\n%s", out)
	}
}
