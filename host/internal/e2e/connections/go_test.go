// Long-lived connections with a worker in Go: testdata/talk-go.

package connections

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

func TestAWorkerInGoTalksToConnectionsThatOutliveIt(t *testing.T) {
	t.Parallel()
	addr, tcp := harness.FreeAddress(t), harness.FreeAddress(t)
	dir := t.TempDir()
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\nmax_message = "+
		"\"2MiB\"\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\n[pool.web]\nworker = %q\nworkers = 2\n",
		addr, tcp, filepath.Join(harness.Repository, "host/internal/e2e/testdata/talk-go")))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))

	if s, a, err := h.TryUpgrade("/"); s != nil || err != nil || a.StatusCode != 403 ||
		a.Text != "What is your name?\n" {
		t.Errorf("without a name: %+v, %v", a, err)
	}
	offer := "Sec-WebSocket-Protocol: smtp, talk"
	s, a, err := h.TryUpgrade("/?name=ann", offer)
	if s == nil || a.Header.Get("Sec-Websocket-Protocol") != "talk" {
		t.Fatalf("the answer is %+v, %v", a, err)
	}
	ann := s
	defer ann.Close()
	bob := h.Upgrade("/?name=bob", offer)
	for round := 1; round <= 2; round++ {
		ann.Say("whoami")
		ann.Expect(fmt.Sprintf("ann of u-ann in [lobby], code %d", round))
		ann.Say("say hello")
		bob.Expect("ann: hello")
		bob.Say("tell ann")
		ann.Expect("psst")
		ann.Say("fail")
		ann.Say("panic")
		ann.Say("count")
		ann.Expect("2 2")
		ann.Say("online bob")
		ann.Expect("true")
		ann.Say("online eve")
		ann.Expect("false")
		ann.Say("length %s", strings.Repeat("y", 1<<20))
		ann.Expect(fmt.Sprint(1 << 20))
		ann.Say("large")
		ann.Expect(strings.Repeat("x", 1<<20))
		if status, _ := h.Get("/"); status != http.StatusOK {
			t.Errorf("the request came to %d", status)
		}
		ann.Expect("from a request")
		bob.Expect("from a request")
		if round == 1 {
			h.Reload()
		}
	}
	ann.Say("rename rob")
	ann.Expect("done")
	bob.Say("bye enough")
	if code, reason := bob.Ends(); code != 4001 || reason != "enough" {
		t.Errorf("bob was closed with %d %q", code, reason)
	}
	ann.Expect("rob left: 4001 enough")

	conn, err := net.Dial("tcp", tcp)
	harness.Must(t, err)
	l := &harness.Line{Client: harness.NewClient(t, conn)}
	defer l.Close()
	l.Expect("welcome")
	harness.Must(t, l.Tell("whoami"))
	l.Expect("tcp of  in [], code 2")
}
