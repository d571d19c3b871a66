package web

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// release has dir's current be a folder with code of a version.
func release(t *testing.T, dir, version, code string) {
	t.Helper()
	harness.Must(t, os.Mkdir(filepath.Join(dir, version), 0o755))
	harness.WritePHP(t, filepath.Join(dir, version), code)
	next := filepath.Join(dir, "next")
	harness.Must(t, os.Symlink(version, next))
	harness.Must(t, os.Rename(next, filepath.Join(dir, "current")))
}

func TestAFetchGoesOnThroughAnUpgradeAndCanaries(t *testing.T) {
	t.Parallel()
	m, dir := newModel(t), t.TempDir()
	chat := func(of string) string { return version(strings.ReplaceAll(chatWorker, "MODEL/", m.URL+"/"), of) }
	release(t, dir, "old", chat("old"))
	harness.Write(t, dir, "secret", "correct-horse-battery\n")
	addr := harness.FreeAddress(t)
	harness.Write(t, dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
pool = "chat"
[pool.chat]
worker = "worker.php"
directory = "current"
workers = 2
canary = { secret_file = "secret" }
[pool.chat.fetch]
allow = ["%s/v1/*"]
secrets = { MODEL = { from = "secret", header = "authorization" } }
`, addr, m.URL))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	// through says by which code a stream that began before it is asked for, and which code is told of its end
	through := func(force, asks, told string, happens func()) {
		t.Helper()
		before := strings.Count(h.Logs.String(), "by "+told+" for 7")
		s := beginStream(t, h, force)
		s.says(m, asks, "a")
		happens()
		s.goesOn(m, asks)
		h.Eventually("a worker of "+told+" is told once", func() bool {
			return strings.Count(h.Logs.String(), "by "+told+" for 7") == before+1
		})
	}
	run := func(command string, args ...string) {
		t.Helper()
		if out, code := h.Run(command, args...); code != 0 {
			t.Fatalf("host %s %v: exit %d\n%s", command, args, code, out)
		}
	}
	canary := func() (wait func()) {
		out := harness.LogBuffer{Grown: make(chan struct{})}
		cmd := exec.Command(harness.HostBinary, "reload", "--control", h.Control, "--canary", "10%")
		cmd.Stdout, cmd.Stderr = &out, &out
		harness.Must(t, cmd.Start())
		out.Await(t, "of the clients go to")
		return func() { cmd.Wait() }
	}

	through("", "old", "old", func() { run("upgrade") })

	release(t, dir, "new", chat("new"))
	wait := canary()
	through("candidate:correct-horse-battery", "new", "old", func() { run("reload", "--abort"); wait() })

	wait = canary()
	through("candidate:correct-horse-battery", "new", "new", func() { run("reload", "--promote"); wait() })
	if _, text := h.Get("/"); text != "new" {
		t.Errorf("after the promotion %q serves", text)
	}
	for _, wrong := range []string{"fetched broke", "fetched left", "could not be delivered", "correct-horse"} {
		if strings.Contains(h.Logs.String(), wrong) {
			t.Errorf("the log has %q", wrong)
		}
	}
}
