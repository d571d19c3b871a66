// examples/line-server-php, over TCP and with nc.

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// serveLines serves line-server-php by its host.toml, from a copy.
func serveLines(t *testing.T) (h *harness.Host, folder string) {
	t.Helper()
	folder = release(t, t.TempDir(), "1", "line-server-php")
	addr, config := harness.FreeAddress(t), filepath.Join(folder, "host.toml")
	edit(t, config, "127.0.0.1:7070", addr)
	return harness.StartWith(t, addr, "-c", config), folder
}

func TestClientsOfLinesStayConnectedThroughAReload(t *testing.T) {
	t.Parallel()
	h, folder := serveLines(t)
	a, b := harness.DialPeer(t, "tcp", h.Addr), harness.DialPeer(t, "tcp", h.Addr)
	a.Ask("", "HELLO, I keep values. HELP tells how.\n")
	b.Ask("", "HELLO, I keep values. HELP tells how.\n")
	a.Ask("GET tea\n", "NONE\n")
	a.Ask("SET tea green, from Köln\r\n", "OK\n") // a carriage return belongs to the end of the line
	b.Ask("get tea\n", "VALUE green, from Köln\n")
	b.Ask("WATCH tea\n", "OK\n")
	a.Ask("STA", "")
	a.Ask("TS\n", "STATS generation=1 worker=")
	if rest, err := a.In.ReadString('\n'); err != nil || !strings.HasSuffix(rest, " commands=3\n") {
		t.Errorf("%q, %v", rest, err)
	}

	edit(t, filepath.Join(folder, "worker.php"), "I keep values.", "I keep values well.")
	h.Reload()
	a.Ask("SET tea black\nDELETE tea\nGET tea\n", "OK\nOK\nNONE\n")
	b.Ask("", "CHANGED tea black\nDELETED tea\n")
	b.Ask("UNWATCH tea\n", "OK\n")
	a.Ask("SET tea oolong\nSET 7 seven\nKEYS\n", "OK\nOK\nKEYS tea 7\n")
	b.Ask("STATS\n", "STATS generation=2 worker=")
	if rest, err := b.In.ReadString('\n'); err != nil || !strings.HasSuffix(rest, " clients=2 commands=4\n") {
		t.Errorf("%q, %v", rest, err)
	}
	for line, answer := range map[string]string{
		"SET tea": "ERROR SET wants a value, of UTF-8", "SET tea \xff": "ERROR SET wants a value, of UTF-8",
		"GET":                              "ERROR GET wants a key: 1 to 64 of A-Z a-z 0-9 _ . : -",
		"WATCH " + strings.Repeat("x", 65): "ERROR WATCH wants a key: 1 to 64 of A-Z a-z 0-9 _ . : -",
		"":                                 "ERROR no such command; HELP tells which there are",
		"NONSENSE":                         "ERROR no such command; HELP tells which there are",
	} {
		b.Ask(line+"\n", answer+"\n")
	}
	harness.DialPeer(t, "tcp", h.Addr).Ask("HELP\n",
		"HELLO, I keep values well. HELP tells how.\nSET key value | GET key | ")
	b.Ask("QUIT\n", "BYE\n")
	if rest, err := b.In.ReadString('\n'); rest != "" || err == nil {
		t.Errorf("after BYE came %q, %v", rest, err)
	}
	h.Logs.Await(t, "a client has left: ")
}

func TestNetcatTalksToTheServerOfLines(t *testing.T) {
	t.Parallel()
	nc, err := exec.LookPath("nc")
	if err != nil {
		t.Skip("there is no nc: .ci/setup test installs it")
	}
	h, _ := serveLines(t)
	host, port, _ := strings.Cut(h.Addr, ":")
	cmd := exec.Command(nc, "-w", "20", host, port)
	cmd.Stdin = strings.NewReader("SET coffee none\nGET coffee\nQUIT\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if want := "HELLO, I keep values. HELP tells how.\nOK\nVALUE none\nBYE\n"; err != nil || string(out) != want {
		t.Errorf("nc printed %q, %v; expected %q", out, err, want)
	}
}
