// Clients that others wrote: the ws package of npm, Python's websockets, curl, nc. What they say to the host is in
// testdata/clients.

package connections

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// foreign runs a program with a client and fails the test unless it exits with 0.
func foreign(t *testing.T, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed; .ci/setup test does that", program)
	}
	ctx, stop := context.WithTimeout(t.Context(), 90*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, path, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

func clientsFile(name string) string {
	return filepath.Join(harness.Repository, "host/internal/e2e/testdata/clients", name)
}

func TestWebSocketClientsOfOthersFindWhatRFC6455Promises(t *testing.T) {
	t.Parallel()
	plain, small, tls := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	k := &harness.Talk{Dir: t.TempDir()}
	k.Deploy(t, "1")
	harness.Certificate(t, k.Dir, 1)
	harness.Write(t, k.Dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
max_message = "17MiB"
send_buffer = "40MiB"
compression = true
allowed_origins = ["http://%s", "https://example.org", "https://*.example.net"]
[[listen]]
address = %q
max_message = "1000"
compression = true
[[listen]]
address = %q
tls = { certificate = "cert.pem", key = "key.pem" }
max_message = "17MiB"
send_buffer = "40MiB"
compression = true
[pool.web]
worker = "worker.php"
workers = 3
php_ini = { memory_limit = "256M" }
`, plain, plain, small, tls))
	k.Host = harness.StartWith(t, plain, "-c", filepath.Join(k.Dir, "host.toml"))
	before := k.PIDs()
	t.Run("ws", func(t *testing.T) {
		if _, err := os.Stat(clientsFile("node_modules/ws")); err != nil {
			t.Skip("the ws package is not installed; .ci/setup test does that")
		}
		t.Log("\n" + foreign(t, "node", clientsFile("websocket.mjs"), plain, small, tls))
	})
	t.Run("websockets", func(t *testing.T) {
		const python = "/usr/bin/python3" // Debian's package is for Debian's Python
		if exec.Command(python, "-c", "import websockets").Run() != nil {
			t.Skip("python3-websockets is not installed; .ci/setup test does that")
		}
		t.Log("\n" + foreign(t, python, clientsFile("websocket.py"), plain))
	})
	if now := k.PIDs(); fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("clients took workers with them: %v, and now %v", before, now)
	}
	for text := range strings.Lines(k.Logs.String()) {
		if strings.Contains(text, "panic") {
			t.Error(text)
		}
	}
}
