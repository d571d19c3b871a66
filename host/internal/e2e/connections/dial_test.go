// Connections that the host makes for workers in PHP and in Go: testdata/dials.php and dials-go. The other ends are
// servers of the test.

package connections

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/workerhost/workerhost/host/internal/e2e/harness"
)

// far is a server that the host dials.
type far struct {
	testing.TB
	net.Listener
}

func newFar(t testing.TB) *far {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &far{t, l}
}

// url is where it is, with a scheme.
func (f *far) url(scheme string) string { return scheme + "://" + f.Addr().String() }

// end is the server's end of one connection.
type end struct {
	testing.TB
	net.Conn
	r *bufio.Reader
}

// comes is the next connection.
func (f *far) comes() *end {
	f.Helper()
	f.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	c, err := f.Accept()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return &end{f, c, bufio.NewReader(c)}
}

// nobody says that there is no other connection, of those that came at the same time.
func (f *far) nobody() {
	f.Helper()
	f.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Millisecond))
	if c, err := f.Accept(); err == nil {
		c.Close()
		f.Error("there is another connection")
	}
}

// socket is the next connection, as a WebSocket's, which knows the subprotocol v2, and its target.
func (f *far) socket() (e *end, target, key string) {
	f.Helper()
	e = f.comes()
	_, err := ws.Upgrader{
		Protocol:  func(name []byte) bool { return string(name) == "v2" },
		OnRequest: func(uri []byte) error { target = string(uri); return nil },
		OnHeader: func(name, value []byte) error {
			if strings.EqualFold(string(name), "X-Key") {
				key = string(value)
			}
			return nil
		},
	}.Upgrade(e)
	if err != nil {
		f.Fatal(err)
	}
	return e, target, key
}

// says sends a message of a WebSocket.
func (e *end) says(text string) {
	e.Helper()
	if _, err := e.Write(ws.MustCompileFrame(ws.NewTextFrame([]byte(text)))); err != nil {
		e.Fatal(err)
	}
}

// hears reads a frame of a WebSocket.
func (e *end) hears(op ws.OpCode, want string) {
	e.Helper()
	f, err := ws.ReadFrame(e.r)
	if f = ws.UnmaskFrame(f); err != nil || f.Header.OpCode != op || string(f.Payload) != want {
		e.Fatalf("heard %v %q (%v), want %q", f.Header.OpCode, f.Payload, err, want)
	}
}

// leaves says goodbye on a WebSocket, which ends.
func (e *end) leaves(code ws.StatusCode) {
	e.Helper()
	if _, err := e.Write(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))); err != nil {
		e.Fatal(err)
	}
}

// reads reads a line of TCP.
func (e *end) reads(want string) {
	e.Helper()
	if line, err := e.r.ReadString('\n'); err != nil || line != want+"\n" {
		e.Fatalf("read %q (%v), want %q", line, err, want)
	}
}

func (e *end) writes(text string) {
	e.Helper()
	if _, err := e.Write([]byte(text)); err != nil {
		e.Fatal(err)
	}
}

// stream is the next connection, as a request for server-sent events that is answered.
func (f *far) stream() (e *end, r *http.Request) {
	f.Helper()
	e = f.comes()
	r, err := http.ReadRequest(e.r)
	if err != nil {
		f.Fatal(err)
	}
	e.writes("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
	return e, r
}

// dialers are a host whose workers dial, and a client that hears of it.
type dialers struct {
	*harness.Host
	*harness.Socket
	dir string
}

// startDialers serves the worker in PHP, with a concurrency or without, or in Go, in two workers. more is of
// host.toml.
func startDialers(t *testing.T, kind, more string, allowed ...*far) *dialers {
	t.Helper()
	dir := t.TempDir()
	worker := "worker.php"
	if kind == "go" {
		worker = filepath.Join(harness.Repository, "host/internal/e2e/testdata/dials-go")
	} else {
		writeDialer(t, dir, kind, "")
		release(t, dir, "1", "")
	}
	var allow []string
	for _, f := range allowed {
		for _, scheme := range []string{"ws", "http"} {
			allow = append(allow, fmt.Sprintf("%q", f.url(scheme)+"/*"))
		}
		allow = append(allow, fmt.Sprintf("%q", f.url("tcp")))
	}
	addr := harness.FreeAddress(t)
	harness.Write(t, dir, "key", "s3cr3t\n")
	harness.Write(t, dir, "host.toml", fmt.Sprintf("[[listen]]\naddress = %q\n[pool.app]\nworker = %q\nworkers = 2\n"+
		"%s\n[pool.app.fetch]\nallow = [%s]\n[pool.app.fetch.secrets.KEY]\nfrom = \"key\"\nallow = [%s]\n", addr,
		worker, more, strings.Join(allow, ", "), strings.Join(allow, ", ")))
	h := harness.StartWith(t, addr, "-c", filepath.Join(dir, "host.toml"))
	return &dialers{h, h.Upgrade("/"), dir}
}

// writeDialer puts the worker in PHP in place, with more methods. version goes behind what it dials when it starts.
func writeDialer(t *testing.T, dir, more, version string) {
	t.Helper()
	code := harness.ReadFile(t, filepath.Join(harness.Repository, "host/internal/e2e/testdata/dials.php"))
	code = strings.NewReplacer("<?php\n", "", "@VERSION@", version, "@MORE@", more).Replace(code)
	harness.WritePHP(t, dir, code)
}

// asks says a command, and expects an answer.
func (d *dialers) asks(command, want string) {
	d.Host.T.Helper()
	d.Say("%s", command)
	d.Expect(want)
}

// both says a command, and expects an answer and what comes of it, in any order.
func (d *dialers) both(command, one, two string) {
	d.Host.T.Helper()
	d.Say("%s", command)
	if first, second := d.Hear(), d.Hear(); (first != one || second != two) && (first != two || second != one) {
		d.Host.T.Fatalf("heard %q and %q, want %q and %q", first, second, one, two)
	}
}

// release has the folder current lead to a release of the worker in PHP, which dials its number.
func release(t *testing.T, dir, number, more string) {
	t.Helper()
	harness.Must(t, os.Mkdir(filepath.Join(dir, number), 0o755))
	writeDialer(t, filepath.Join(dir, number), more, number)
	harness.Must(t, os.Symlink(number, filepath.Join(dir, "next")))
	harness.Must(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")))
}

// shows waits until host connections shows a text.
func (d *dialers) shows(text string) {
	d.Host.T.Helper()
	out := ""
	for end := time.Now().Add(20 * time.Second); !strings.Contains(out, text); out, _ = d.Run("connections") {
		if time.Now().After(end) {
			d.Host.T.Fatalf("host connections never shows %q:\n%s", text, out)
		}
	}
}

func TestWorkersDialServersOfEachKind(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"PHP": "", "PHP in fibers": "->concurrency(10)", "Go": "go"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			d := startDialers(t, kind, "", f)
			from := map[bool]string{true: "go", false: "php"}[kind == "go"]

			d.asks("dial w "+f.url("ws")+"/one", "begun")
			e, _, key := f.socket()
			if key != "s3cr3t" {
				t.Errorf("the secret came as %q", key)
			}
			d.Expect("open w websocket 0 v2 dial feeds u-w " + from + " no request")
			d.asks("dial w "+f.url("ws")+"/one", "there")
			e.says("hello")
			d.Expect("w: hello")
			d.Say("to w how are you")
			e.hears(ws.OpText, "how are you")
			d.shows("→ " + f.Addr().String())
			e.Close()
			d.Expect("close w 1006")
			e, _, _ = f.socket()
			d.Expect("open w websocket 1 v2 dial feeds u-w before no request")
			d.Say("hangup w bye")
			e.hears(ws.OpClose, "\x0f\xa1bye")
			e.leaves(4001)
			d.Expect("close w 4001")
			e, _, _ = f.socket()
			d.Expect("open w websocket 2 v2 dial feeds u-w before no request")
			d.asks("dial w "+f.url("ws")+"/two", "replaced")
			e.hears(ws.OpClose, "\x03\xe8replaced")
			e.leaves(1000)
			d.Expect("close w 1000")
			e, target, _ := f.socket()
			d.Expect("open w websocket 0 v2 dial feeds u-w " + from + " no request")
			if f.nobody(); target != "/two" {
				t.Errorf("what replaces it asks for %s", target)
			}
			d.asks("id w", "up")
			d.asks("close w", "closed")
			e.leaves(1000)
			d.Expect("close w 1000")
			d.asks("close w", "none")
			d.asks("id w", "down")

			d.both("dial t "+f.url("tcp")+" line", "begun", "open t tcp 0 - dial feeds u-t "+from+" no request")
			e = f.comes()
			e.writes("one\r\ntw")
			d.Expect("t: one")
			e.writes("o\n")
			d.Expect("t: two")
			d.Say("to t three")
			e.reads("three")
			d.both("close t", "closed", "close t 1000")

			d.asks("dial s "+f.url("http")+"/events", "begun")
			e, r := f.stream()
			d.Expect("open s sse 0 - dial feeds u-s " + from + " no request")
			if r.URL.Path != "/events" || r.Header.Get("X-Key") != "s3cr3t" {
				t.Errorf("it was asked for %s with %v", r.URL, r.Header)
			}
			e.writes("data: plain\n\nevent: price\nid: 7\ndata: 42\ndata: 43\n\ndata: last\n\n")
			d.Expect("s: plain")
			d.Expect("s: 42\n43 price 7")
			d.Expect("s: last - 7")
			e.Close()
			d.Expect("close s 1000")
			if _, r = f.stream(); r.Header.Get("Last-Event-ID") != "7" {
				t.Errorf("it comes back with %v", r.Header)
			}
			d.Expect("open s sse 1 - dial feeds u-s before no request")

			d.asks("dial x ws://127.0.0.1:1/", "4 the host says: the URL may not be dialed: write it into "+
				"[pool.app.fetch] allow of host.toml, and reload")
			d.asks("dial x "+f.url("tcp")+" lines", "2 the host says: there is no framing \"lines\": it is raw, "+
				"line, length16, length32 or delimiter")
		})
	}
}

func TestADialOutlivesThreeReloadsAndLosesNoMessage(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"PHP": "", "Go": "go"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFar(t)
			d := startDialers(t, kind, "env = { FEED = \""+f.url("ws")+"/feed\" }", f)
			e, _, _ := f.socket() // both workers have asked for it
			d.Expect("open feed websocket 0 v2 dial feeds u-feed " + map[bool]string{true: "go", false: "php"}[kind ==
				"go"] + " no request")
			stop, sent := make(chan struct{}), make(chan int)
			go func() { // ends with the reloads
				n := 0
				for {
					select {
					case <-stop:
						e.says("over")
						sent <- n
						return
					case <-time.After(time.Millisecond):
						n++
						e.says(fmt.Sprint(n))
					}
				}
			}()
			go func() {
				defer close(stop)
				for range 3 {
					d.Reload()
				}
			}()
			got := 0
			for text := d.Hear(); text != "feed: over"; text = d.Hear() {
				if got++; text != fmt.Sprintf("feed: %d", got) {
					t.Fatalf("heard %q after %d", text, got-1)
				}
			}
			if n := <-sent; got != n || n < 100 {
				t.Errorf("of %d messages came %d", n, got)
			}
			f.nobody()
			d.Eventually("all eight workers to have asked", func() bool {
				return strings.Count(d.Logs.String(), "asked: there") == 7
			})
			if n := strings.Count(d.Logs.String(), "asked: "); n != 8 {
				t.Errorf("the log has %d answers", n)
			}
			if st := d.Status(); st.Pools[0].Generation != 4 {
				t.Errorf("generation %d is live", st.Pools[0].Generation)
			}
		})
	}
}

func TestADialOfTheConfigurationStandsByItself(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	fixed := "[[dial]]\nname = \"fixed\"\nurl = %q\ngroups = [\"feeds\"]\nreconnect_max = \"100ms\"\n" +
		"subprotocols = [\"v2\"]\n"
	d := startDialers(t, "", "", f)
	toml := harness.ReadFile(t, filepath.Join(d.dir, "host.toml"))
	harness.Write(t, d.dir, "host.toml", toml+fmt.Sprintf(fixed, f.url("ws")+"/one"))
	d.Reload()
	e, target, _ := f.socket()
	d.Expect("open fixed websocket 0 v2 dial feeds  - no request")
	if target != "/one" {
		t.Errorf("it asks for %s", target)
	}
	d.asks("dial fixed "+f.url("ws")+"/two", `4 the host says: a [[dial]] of the configuration has the name "fixed", `+
		"with other terms")
	d.shows("→ " + f.Addr().String())
	harness.Write(t, d.dir, "host.toml", toml+fmt.Sprintf(fixed, f.url("ws")+"/two"))
	d.Reload()
	e.leaves(1000)
	d.Expect("close fixed 1000")
	e, target, _ = f.socket()
	if d.Expect("open fixed websocket 0 v2 dial feeds  - no request"); target != "/two" {
		t.Errorf("then it asks for %s", target)
	}
	e.Close()
	d.Expect("close fixed 1006")
	f.Listener.Close() // nobody is there
	d.shows("dial fixed → " + f.url("ws") + "/two")
}

func TestTheCodeThatServesHasItsDialsBack(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	d := startDialers(t, "", "directory = \"current\"\npark = \"10m\"\n"+
		"env = { FEED = \""+f.url("ws")+"/\" }", f)
	e, target, _ := f.socket()
	d.Expect("open feed websocket 0 v2 dial feeds u-feed php no request")
	next := func(want string) {
		t.Helper()
		e.hears(ws.OpClose, "\x03\xe8replaced")
		e.leaves(1000)
		d.Expect("close feed 1000")
		if e, target, _ = f.socket(); target != want {
			t.Fatalf("it asks for %s, want %s", target, want)
		}
		d.Expect("open feed websocket 0 v2 dial feeds u-feed php no request")
	}
	if target != "/1" {
		t.Fatalf("it asks for %s", target)
	}
	release(t, d.dir, "2", "")
	d.Reload()
	next("/2")
	if out, code := d.Run("rollback"); code != 0 || !strings.Contains(out, "was parked") {
		t.Fatalf("host rollback: exit %d\n%s", code, out)
	}
	next("/1")
	release(t, d.dir, "3", "->onStart(function () use ($worker) { while ($worker->place()->slot === 1) { "+
		"usleep(1000); is_file('fail') && throw new Exception('broken'); } })")
	type end struct {
		out  string
		code int
	}
	ended := make(chan end)
	go func() {
		out, code := d.Run("reload")
		ended <- end{out, code}
	}()
	next("/3") // asked for by the first new worker
	harness.Write(t, filepath.Join(d.dir, "3"), "fail", "")
	if e := <-ended; e.code != 1 || !strings.Contains(e.out, "broken") {
		t.Fatalf("host reload: exit %d\n%s", e.code, e.out)
	}
	next("/1")
	f.nobody()
}
