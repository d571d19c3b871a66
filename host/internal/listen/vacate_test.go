package listen

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// line is listeners of which each takes over from the one before.
type line struct {
	t    *testing.T
	now  *house
	next func(change ...func(*Options)) *house
	last atomic.Int64   // connections that went
	over sync.WaitGroup // the ends of those before
}

func startLine(t *testing.T, work func(name string) func(c *call)) *line {
	l := &line{t: t}
	n := 0
	l.next = func(change ...func(*Options)) *house {
		n++
		return start(t, work(fmt.Sprint(n)), append([]func(*Options){onLoops(t)}, change...)...)
	}
	l.now = l.next()
	return l
}

// pass has the next listener take over.
func (l *line) pass() {
	l.t.Helper()
	b, err := l.now.Bound()
	if err != nil {
		l.t.Fatal(err)
	}
	old, heir := l.now, l.next(func(o *Options) { o.Bound = b })
	old.LetGo()
	old.Vacate(func(i Idle) error {
		l.last.Add(1)
		go func() { // as over a link
			if err := heir.AdoptIdle(i); err != nil {
				l.t.Error(err)
			}
		}()
		return nil
	})
	l.over.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := old.Shutdown(ctx); err != nil {
			l.t.Error(err)
		}
	})
	l.now = heir
}

// tells answers with its name, what was asked for, and the length of the body. ?slow takes a while.
func tells(name string) func(c *call) {
	return func(c *call) {
		n := len(c.readAll())
		target := string(c.request.Target)
		if strings.Contains(target, "slow") {
			time.Sleep(30 * time.Millisecond)
		}
		if strings.Contains(target, "big") {
			c.respond(0, 200, nil, "")
			for range 20 {
				c.data(make([]byte, 100_000), false)
			}
			c.data([]byte(target+" 0"), true)
			return
		}
		c.whole(200, fmt.Sprintf("%s %s %d", name, target, n))
	}
}

func TestOnTheLaneFiveListenersInARowLoseNoRequestOfAnyClient(t *testing.T) {
	takesTime(t)
	l := startLine(t, tells)
	stop := make(chan struct{})
	var all sync.WaitGroup
	var asked atomic.Int64
	get := func(w io.Writer, path string) { fmt.Fprintf(w, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", path) }
	slow := func(w io.Writer, path string) { get(w, "slow/"+path) }
	kinds := []struct {
		name  string
		depth int
		ask   func(w io.Writer, path string)
		body  int
	}{
		{"plain", 1, get, 0},
		{"pipelined", 8, get, 0},
		{"slow", 1, slow, 0},
		{"slowly pipelined", 3, slow, 0},
		{"slow readers", 2, func(w io.Writer, path string) {
			get(w, "big/"+path)
			time.Sleep(10 * time.Millisecond)
		}, 0},
		{"in pieces", 1, func(w io.Writer, path string) {
			for _, piece := range []string{
				"PO", "ST /" + path + " HTTP/1.1\r\nHo", "st: a\r\nContent-Length: 4\r\n\r\na", "bcd",
			} {
				io.WriteString(w, piece)
				time.Sleep(2 * time.Millisecond)
			}
		}, 4},
		{"slow uploads", 1, func(w io.Writer, path string) {
			fmt.Fprintf(w, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n", path)
			for range 10 {
				w.Write(make([]byte, 20000))
				time.Sleep(3 * time.Millisecond)
			}
		}, 200000},
	}
	for _, kind := range kinds {
		for range 3 {
			c := l.now.dial()
			c.SetDeadline(time.Now().Add(60 * time.Second))
			all.Go(func() {
				in := bufio.NewReader(c)
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					for i := range kind.depth {
						kind.ask(c, fmt.Sprintf("%d.%d", n, i))
					}
					for i := range kind.depth {
						resp, err := http.ReadResponse(in, nil)
						if err != nil {
							t.Errorf("%s: request %d.%d: %v", kind.name, n, i, err)
							return
						}
						b, err := io.ReadAll(resp.Body)
						want := fmt.Sprintf("/%d.%d %d", n, i, kind.body)
						if err != nil || resp.StatusCode != 200 || resp.Close || !strings.HasSuffix(string(b), want) {
							t.Errorf("%s: %s %.80q %v, and not %s; close %v", kind.name, resp.Status, b, err, want,
								resp.Close)
							return
						}
						asked.Add(1)
					}
				}
			})
		}
	}
	resting := make([]net.Conn, 50)
	for i := range resting {
		resting[i] = l.now.dial()
	}
	for range 5 {
		before := asked.Load()
		for asked.Load() < before+200 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		l.pass()
	}
	time.Sleep(100 * time.Millisecond)
	close(stop)
	all.Wait()
	l.over.Wait()
	for i, c := range resting {
		kinds[0].ask(c, fmt.Sprint(i))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprintf("6 /%d 0", i) {
			t.Errorf("%q", b)
		}
	}
	t.Logf("%d requests, %d connections went", asked.Load(), l.last.Load())
}

func TestOnTheLaneWhatIsUnderWayIsAnsweredByTheListenerThatHasIt(t *testing.T) {
	asked, answer := make(chan struct{}, 3), make(chan struct{})
	l := startLine(t, func(name string) func(c *call) {
		return func(c *call) {
			c.readAll()
			if strings.HasPrefix(string(c.request.Target), "/wait") {
				asked <- struct{}{}
				<-answer
			}
			if strings.HasPrefix(string(c.request.Target), "/wait/streams") {
				c.respond(0, 200, nil, name+" "+string(c.request.Target))
				c.data(nil, true)
				return
			}
			c.whole(200, name+" "+string(c.request.Target))
		}
	})
	requests := map[string]string{
		"on the lane": "GET /wait/a HTTP/1.1\r\nHost: a\r\n\r\n",
		"in net/http": "POST /wait/b HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" +
			strings.Repeat("b", 20000),
		"as a stream": "GET /wait/streams HTTP/1.1\r\nHost: a\r\n\r\n",
	}
	all := map[string]net.Conn{}
	for name, request := range requests {
		all[name] = l.now.dial()
		all[name].SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(all[name], request)
	}
	for range requests {
		<-asked
	}
	l.pass()
	for name, c := range all { // it waits in the socket, or behind the request
		if name != "in net/http" {
			io.WriteString(c, "GET /then HTTP/1.1\r\nHost: a\r\n\r\n")
		}
	}
	close(answer)
	for name, c := range all {
		in := bufio.NewReader(c)
		for _, want := range []string{"1 /wait", "2 /then"} {
			if name == "in net/http" && want == "2 /then" {
				io.WriteString(c, "GET /then HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(name, err)
			}
			if b, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(b), want) || resp.Close {
				t.Errorf("%s: %q, %v, close %v; expected %s", name, b, err, resp.Close, want)
			}
		}
	}
	l.over.Wait()
}

func TestOnTheLaneAClientThatHasEndedItsHalfGetsItsAnswerAfterATakeOver(t *testing.T) {
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	l := startLine(t, func(name string) func(c *call) {
		return func(c *call) {
			c.readAll()
			asked <- struct{}{}
			<-answer
			c.whole(200, name)
		}
	})
	c := l.now.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.(*net.TCPConn).CloseWrite()
	<-asked
	l.pass()
	close(answer)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "1" {
		t.Error(string(b), err)
	}
	l.over.Wait()
	for until := time.Now().Add(5 * time.Second); l.now.Connections() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are left", l.now.Connections())
		}
	}
}

// What the listener before has read may be anything.
func TestOnTheLaneHostileBytesOfTheListenerBeforeAreRefusedAsAlways(t *testing.T) {
	h := start(t, hello, onLoops(t))
	for name, read := range map[string]string{
		"half a head":     "GET / HT",
		"a long head":     "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 15<<10) + "\r\n\r\n",
		"more than lanes": strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2000),
		"no HTTP":         "\x16\x03\x01\x02\x00\r\n\r\n",
		"two lengths":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/2":          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		a, b := socketPair(t)
		var i Idle
		i.Socket, i.Read, i.Began, i.Answered = b, []byte(read), time.Now(), true
		if err := h.AdoptIdle(i); err != nil {
			t.Fatal(name, err)
		}
		a.SetDeadline(time.Now().Add(10 * time.Second))
		if name == "half a head" {
			io.WriteString(a, "TP/1.1\r\nHost: a\r\n\r\n")
		}
		resp, err := http.ReadResponse(bufio.NewReader(a), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		good := name == "half a head" || name == "a long head" || name == "more than lanes"
		if (resp.StatusCode == 200) != good {
			t.Error(name, resp.Status)
		}
		a.Close()
	}
	if err := h.AdoptIdle(Idle{Socket: aFile(t)}); err == nil {
		t.Error("a file is no connection")
	}
}

func socketPair(t *testing.T) (net.Conn, *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.(*net.TCPConn).File()
	b.Close()
	if err != nil {
		t.Fatal(err)
	}
	return a, f
}
