package upgrade

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// Laravel's own driver sends, and laravel-echo over pusher-js listens, in Node and in Chromium.
func TestPusherClientsHearLaravelThroughAReloadAndAnUpgrade(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/share/php/Illuminate/Broadcasting"); err != nil {
		t.Skip("php-laravel-framework is not installed; .ci/setup test does that")
	}
	addr, dir := harness.FreeAddress(t), t.TempDir()
	host, port, err := net.SplitHostPort(addr)
	harness.Must(t, err)
	from := filepath.Join(harness.Repository, "host/internal/e2e/testdata/pusher")
	deploy := func(version int) {
		harness.WritePHP(t, dir, fmt.Sprintf("// %d\nrequire %q;\n", version, filepath.Join(from, "application.php")))
	}
	deploy(1)
	harness.Write(t, dir, "secret", "s3cret\n")
	harness.Write(t, dir, "host.toml", fmt.Sprintf(`
[[listen]]
address = %q
pool = "web"
[[route]]
path = ["/app/*", "/apps/*"]
pusher = "main"
[pusher.main]
id = "4711"
key = "app-key"
secret = "secret"
client_events = true
[pool.web]
worker = "worker.php"
workers = 2
env = { PUSHER_APP_SECRET = "s3cret", PUSHER_PORT = %q }
`, addr, port))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	s := harness.RunScript(t, "pusher.js", host, port)
	s.Expect("reload", func() {
		deploy(2)
		h.Reload()
	})
	s.Expect("upgrade", func() { upgraded(t, h) })
	s.Ends("end")
}
