// What Workerman's manual teaches, in versions of our own, as whoever learns from it would run them.

package examples

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// manual is the program of testdata/manual, at the addresses of its Workers.
type manual struct {
	*harness.Host
	at map[string]string
}

// line opens a connection to a Worker.
func (m *manual) line(name string) *harness.Peer {
	m.T.Helper()
	network := "tcp"
	switch name {
	case "local":
		network = "unix"
	case "datagrams", "lines":
		network = "udp"
	}
	return harness.DialPeer(m.T, network, m.at[name])
}

// startManual starts a program of testdata/manual, whose Workers have these names.
func startManual(t *testing.T, program, workers string) *manual {
	m, dir := &manual{at: map[string]string{}}, t.TempDir()
	for _, name := range strings.Fields(workers) {
		m.at[name] = harness.FreeAddress(t)
	}
	m.at["local"] = filepath.Join(dir, "s")
	for name, address := range m.at {
		t.Setenv("WM_"+strings.ToUpper(name), address)
	}
	harness.Certificate(t, dir, 1)
	t.Setenv("WM_CERTIFICATE", filepath.Join(dir, "cert.pem"))
	t.Setenv("WM_KEY", filepath.Join(dir, "key.pem"))
	m.Host = harness.StartWith(t, m.at[strings.Fields(workers)[0]], filepath.Join(harness.Repository,
		"host/internal/e2e/examples/testdata/manual", program))
	return m
}

func TestTheExamplesOfWorkermansManualRun(t *testing.T) {
	m := startManual(t, "lines.php", "web bytes datagrams lines words json xml upload named object static")
	m.kinds()
	m.protocols()
	m.callbacks()
	m.Reload()
	m.Logs.Await(t, "the desk of object closes")
}

func TestTheExamplesOfPagesAndPeopleRun(t *testing.T) {
	m := startManual(t, "pages.php", "page socket safe heart login news chat mortal binary")
	m.pages(t)
	m.sockets()
	m.safe(t)
	m.timers()
	m.people()
	m.processes(t)
}

func (m *manual) pages(t *testing.T) {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{CheckRedirect: stay}
	for path, want := range map[string]string{"/": "200 hello page ", "/missing": "404 <h1>no such page</h1> ",
		"/moved": "302  /", "/else": "400  default"} {
		resp, err := client.Get(m.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		more := resp.Header.Get("Location") + resp.Header.Get("X-Why")
		if got := fmt.Sprintf("%d %s %s", resp.StatusCode, body, more); got != want {
			t.Errorf("%s: %q, expected %q", path, got, want)
		}
	}
	resp, err := http.Get(m.URL + "/unchanged")
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Last-Modified") == "" {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	r, _ := http.NewRequest("GET", m.URL+"/unchanged", nil)
	r.Header.Set("If-Modified-Since", resp.Header.Get("Last-Modified"))
	if resp, err = http.DefaultClient.Do(r); err != nil || resp.StatusCode != 304 {
		t.Error(resp, err)
	}
	resp.Body.Close()
}

func (m *manual) kinds() {
	m.line("bytes").Ask("abc", "cba")
	m.line("datagrams").Ask("d", "d from 127.0.0.1")
	m.line("lines").Ask("l\n", "got l\n")
	m.line("local").Ask("u", "local u")
}

func (m *manual) sockets() {
	s := on(m.Host, m.at["socket"]).Upgrade("/")
	s.Say("tom")
	s.Expect("hello tom")
	m.Logs.Await(m.T, "process 0 of each")
	m.Logs.Await(m.T, "process 1 of each")
	m.Logs.Await(m.T, "the timer of process 0 has run 3 times")
	at := on(m.Host, m.at["binary"])
	b, answer, err := at.TryUpgrade("/?ask=7")
	if err != nil || answer.Header.Get("X-Asked") != "7" {
		m.T.Fatal(answer, err)
	}
	b.Say("bytes")
	b.Expect("bytes")
	b.Close()
}

// safe opens a WebSocket over TLS.
func (m *manual) safe(t *testing.T) {
	conn, err := tls.Dial("tcp", m.at["safe"], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &harness.Socket{Client: harness.NewClient(t, conn)}
	defer s.Close()
	fmt.Fprintf(s, harness.Handshake, "/", m.at["safe"], "")
	if resp, err := http.ReadResponse(s.Reader, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	s.Say("hi")
	s.Expect("safe hi")
}

func (m *manual) protocols() {
	m.line("words").Ask("a b\nc", "b a\n")
	framed := func(text string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)+4))) + text
	}
	m.line("json").Ask(framed(`[1,2,3]`)+framed(`[4]`), framed(`{"sum":6}`)+framed(`{"sum":4}`))
	m.line("xml").Ask("0000000030<x><say>hi</say></x>", "0000000025<said>hi</said>")
	file := "picture.png" + strings.Repeat("x", 100_000)
	m.line("upload").Ask(string(binary.BigEndian.AppendUint32(nil, uint32(len(file)+5)))+"\x0b"+file,
		"picture.png d5816f35916d1d9482fb0f1ec201101d")
	if status, body := on(m.Host, m.at["web"]).Get("/?a=1"); status != 200 || body != "web 1" {
		m.T.Error(status, body)
	}
}

func (m *manual) callbacks() {
	m.line("named").Ask("abc\n", "ABC\n")
	m.line("object").Ask("a\nb\n", "1 connect a\n2 connect b\n")
	m.line("static").Ask("s\n", "static s\n")
}

func (m *manual) timers() {
	in, late := m.line("login"), m.line("login")
	in.Ask("login\n", "welcome\n")
	m.line("heart").Ask("here\n", "silent\n")
	news := on(m.Host, m.at["news"]).Upgrade("/")
	news.Expect("news")
	news.Expect("news")
	late.Ask("", "too late\n")
	in.Ask("login\n", "welcome\n") // is there still, though its time is over as well
}

func (m *manual) people() {
	one := m.line("chat")
	one.Ask("hi\n", "user 1: hi\n")
	two := m.line("chat")
	two.Ask("ho\n", "user 2: ho\n")
	one.Ask("and\n", "user 2: ho\nuser 1: and\n")
	two.Ask("", "user 1: and\n")
	two.Close()
	one.Ask("", "user 2 left\n")
}

func (m *manual) processes(t *testing.T) {
	mortal := on(m.Host, m.at["mortal"])
	seen := map[string]int{}
	for range 6 {
		status, body := mortal.Get("/")
		pid, n, _ := strings.Cut(body, " ")
		if seen[pid]++; status != 200 || n != fmt.Sprint(seen[pid]) || seen[pid] > 2 {
			t.Errorf("%d %q after %v", status, body, seen)
		}
	}
}
