package upgrade

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// What an upgrade did is told by the host that serves then: status, metrics and the journal.
func TestTheHostTellsHowItTookOver(t *testing.T) {
	t.Parallel()
	addr, secure, admin, dir := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t), t.TempDir()
	k := &harness.Talk{Dir: dir}
	k.Deploy(t, "1")
	harness.Certificate(t, dir, 1)
	harness.Write(t, dir, "host.toml", fmt.Sprintf("state = \"state\"\nupgrade_linger = \"1h\"\n[admin]\nlisten = %q"+
		"\n[[listen]]\naddress = %q\n[[listen]]\naddress = %q\ntls = { certificate = \"cert.pem\", key = "+
		"\"key.pem\" }\n[pool.web]\nworker = \"worker.php\"\nworkers = 1\n", admin, addr, secure))
	k.Host = harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	for range 3 {
		talker, err := k.SocketTalker("/")
		harness.Must(t, err)
		defer talker.Close() // what nobody refers to any more is closed by the collector
	}
	conn, err := tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	harness.Must(t, err)
	guest := harness.NewClient(t, conn)
	guest.Sendf(harness.Handshake, "/", secure, "")
	for line := ""; line != "\r\n"; {
		line, err = guest.Reader.ReadString('\n')
		harness.Must(t, err)
	}
	shown := func() (u struct {
		PID    int     `json:"old_pid"`
		Moved  int     `json:"moved"`
		Paused float64 `json:"paused_ms"`
		Guests int     `json:"guests"`
		Until  string  `json:"guests_until"`
	}) {
		out, _ := k.Run("status", "--json")
		var st struct{ Upgrade any }
		st.Upgrade = &u
		harness.Must(t, json.Unmarshal([]byte(out), &st))
		return u
	}
	for i := range 2 {
		before, _ := upgraded(t, k.Host)
		if u := shown(); u.PID != before || u.Moved != 4 || u.Paused <= 0 || u.Guests != 1 || u.Until == "" {
			t.Errorf("status after upgrade %d of pid %d: %+v", i+1, before, u)
		}
	}
	if out, _ := k.Run("status"); !strings.Contains(out, "with 4 long-lived connections after a pause of ") ||
		!strings.Contains(out, "at most: 1 connection\n") {
		t.Errorf("host status:\n%s", out)
	}
	for _, line := range []string{"upgrades_total 2", "upgrade_connections_total 8", "upgrade_guests 1"} {
		if _, page := harness.Asked(admin, "/metrics"); !strings.Contains(page, "\nworkerhost_"+line+"\n") {
			t.Errorf("the metrics don't have %s", line)
		}
	}
	k.Eventually("the journal has both", func() bool {
		out, _ := k.Run("releases")
		return strings.Count(out, "upgraded") == 2 && strings.Count(out, " → ") == 2
	})
	guest.Close()
	k.Eventually("no guest is left", func() bool { return shown().Guests == 0 })
}
