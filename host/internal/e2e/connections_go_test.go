// Long-lived connections with a worker in Go: testdata/talk-go.

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWorkerInGoTalksToConnectionsThatOutliveIt(t *testing.T) {
	t.Parallel()
	addr, tcp := freeAddress(t), freeAddress(t)
	dir := t.TempDir()
	write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\nmax_message = \"2MiB\"\n[[listen]]\naddress = %q\nprotocol = \"tcp\"\n[pool.web]\nworker = %q\nworkers = 2\n",
		addr, tcp, filepath.Join(repository, "host/internal/e2e/testdata/talk-go")))
	h := startWith(t, addr, "-c", filepath.Join(dir, "host.toml"))

	if s, a, err := h.tryUpgrade("/"); s != nil || err != nil || a.StatusCode != 403 || a.text != "What is your name?\n" {
		t.Errorf("without a name: %+v, %v", a, err)
	}
	offer := "Sec-WebSocket-Protocol: smtp, talk"
	s, a, err := h.tryUpgrade("/?name=ann", offer)
	if s == nil || a.Header.Get("Sec-Websocket-Protocol") != "talk" {
		t.Fatalf("the answer is %+v, %v", a, err)
	}
	ann := s
	defer ann.Close()
	bob := h.upgrade("/?name=bob", offer)
	for round := 1; round <= 2; round++ {
		ann.say("whoami")
		ann.expect(fmt.Sprintf("ann of u-ann in [lobby], code %d", round))
		ann.say("say hello")
		bob.expect("ann: hello")
		bob.say("tell ann")
		ann.expect("psst")
		ann.say("fail")
		ann.say("panic")
		ann.say("count")
		ann.expect("2 2")
		ann.say("online bob")
		ann.expect("true")
		ann.say("online eve")
		ann.expect("false")
		ann.say("length %s", strings.Repeat("y", 1<<20))
		ann.expect(fmt.Sprint(1 << 20))
		ann.say("large")
		ann.expect(strings.Repeat("x", 1<<20))
		if status, _ := h.get("/"); status != http.StatusOK {
			t.Errorf("the request came to %d", status)
		}
		ann.expect("from a request")
		bob.expect("from a request")
		if round == 1 {
			h.reload()
		}
	}
	ann.say("rename rob")
	ann.expect("done")
	bob.say("bye enough")
	if code, reason := bob.ends(); code != 4001 || reason != "enough" {
		t.Errorf("bob was closed with %d %q", code, reason)
	}
	ann.expect("rob left: 4001 enough")

	conn, err := net.Dial("tcp", tcp)
	must(t, err)
	l := &line{&client{conn, t, newReader(conn)}}
	defer l.Close()
	l.expect("welcome")
	must(t, l.tell("whoami"))
	l.expect("tcp of  in [], code 2")
}
