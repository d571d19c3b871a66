package listen

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/spool"
	"github.com/workerhost/workerhost/protocol"
)

func TestARequestArrivesAsItWasSent(t *testing.T) {
	var got protocol.Request
	h := start(t, func(c *call) { got = c.request; hello(c) }, func(o *Options) { o.RequestID = "X-Request-Id" })
	answer := h.raw("GET /a/b?c=d&e HTTP/1.1\r\nHost: example.org:81\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nConnection: " +
		"close, X-Mine\r\nX-Mine: 4\r\nKeep-Alive: 5\r\nX-Worker-Warmup: 1\r\n" +
		"Upgrade: h2c\r\nTE: gzip, trailers\r\nProxy: evil\r\nProxy-Connection: 6\r\nX-Request-Id: req-1\r\nCookie: " +
		"a=b\r\nCookie: c=d\r\n\r\n")
	if !strings.Contains(statusLine(answer), "200") || !strings.HasSuffix(answer, "Hello, World!") {
		t.Fatal(answer)
	}
	if got.Method != "GET" || got.Target != "/a/b?c=d&e" || got.Host != "example.org:81" || got.Version != "1.1" ||
		got.Scheme != "http" || got.ID != "req-1" ||
		!strings.HasPrefix(got.Remote, "127.0.0.1:") || got.Flags != protocol.FlagEnd || got.Length != 0 {
		t.Errorf("got %+v", got)
	}
	want := "[Cookie a=b Cookie c=d Te trailers X-A 2 X-B 1 X-B 3 X-Request-Id req-1]"
	if fmt.Sprint(got.Headers) != want {
		t.Errorf("headers %v, expected %v", got.Headers, want)
	}
}

func TestAWorkerThatAsksIsToldWhereTheClientCame(t *testing.T) {
	var got string
	h := start(t, func(c *call) { got = c.request.Local; hello(c) })
	for asks, want := range map[bool]string{false: "", true: strings.TrimPrefix(h.url, "http://")} {
		h.backend.traits.Local = asks
		if h.do("GET", "/", nil); got != want {
			t.Errorf("asks: %v: the client came to %q, not %q", asks, got, want)
		}
	}
}

func TestPriorityHoldsHoweverAPathIsSpelled(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, fmt.Sprint(c.urgent)) })
	h.backend.traits.Priority = []string{"/health"}
	for target, want := range map[string]string{
		"/health": "true", "/health?full=1": "true", "/%68ealth": "true", "//health": "true", "/x/../health": "true",
		"/health/": "false", "/Health": "false", "/": "false", "/x?/health": "false",
	} {
		if answer := h.raw("GET " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(
			answer, want) {
			t.Errorf("%s: %q, expected %s", target, answer, want)
		}
	}
}

func TestResponsesWithoutABody(t *testing.T) {
	h := start(t, func(c *call) {
		switch c.request.Target {
		case "/204":
			c.whole(204, "dropped")
		case "/205":
			c.whole(205, "dropped")
		case "/205-length":
			c.whole(205, "dropped", "Content-Length", "7")
		case "/304":
			c.whole(304, "dropped", "Etag", `"x"`)
		case "/long":
			c.whole(200, "", "Content-Length", "12345")
		case "/endless":
			c.respond(0, 200, nil, "x")
			for c.data([]byte("more"), false) {
			}
		default:
			c.whole(200, strings.Repeat("x", 5000))
		}
	})
	for _, test := range []struct{ method, path, status, length string }{
		{"GET", "/204", "204", ""}, {"GET", "/304", "304", ""}, {"HEAD", "/", "200", "5000"},
		{"GET", "/205", "205", "0"}, {"GET", "/205-length", "205", "0"}, {"HEAD", "/205", "205", "0"},
		{"HEAD", "/long", "200", "12345"}, {"HEAD", "/endless", "200", ""},
	} {
		resp, body := h.do(test.method, test.path, nil)
		if !strings.HasPrefix(resp.Status, test.status) || body != "" ||
			resp.Header.Get("Content-Length") != test.length {
			t.Errorf("%s %s: %s, %d bytes, Content-Length %q", test.method, test.path, resp.Status, len(body),
				resp.Header.Get("Content-Length"))
		}
	}
}

func TestABrokenResponseIs502AndLogged(t *testing.T) {
	for _, test := range []struct {
		status  int
		headers []string
		body    string
	}{
		{99, nil, ""}, {101, nil, ""}, {600, nil, ""}, {200, []string{"A", "b\r\nSet-Cookie: x"}, ""},
		{200, []string{"A B", "c"}, ""}, {200, []string{"", "c"}, ""},
		{200, []string{"A", "b\x00"}, ""}, {200, []string{"Content-Length", "x"}, ""},
		{200, []string{"Content-Length", "+1"}, "a"},
		{200, []string{"content-length", "1", "Content-Length", "2"}, "a"},
		{200, []string{"Content-Length", "2"}, "a"}, {200, []string{"Content-Length", "1"}, "ab"},
		{200, []string{"A", strings.Repeat("b", protocol.MaxHeaders-32)}, ""},
		{200, slices.Repeat([]string{"A", ""}, protocol.MaxHeaders/33+1), ""},
	} {
		h := start(t, func(c *call) { c.whole(test.status, test.body, test.headers...) })
		resp, body := h.get("/")
		if resp.StatusCode != 502 || strings.Contains(body, "Set-Cookie") || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.200v: %s %.200q", test, resp.Status, body)
		}
		if !strings.Contains(h.logged.String(), "breaks the rules") {
			t.Errorf("%.200v: nothing logged", test)
		}
	}
}

func TestAFetchThatNoRoomTakesIs502AndItsHeaderGoesToNobody(t *testing.T) {
	h := start(t, func(c *call) {
		if c.request.Target == "/header" {
			c.whole(200, "x", "X-Worker-Fetch", "{}", "X-Other", "1")
			return
		}
		c.say(func() {
			c.sink.Respond(&protocol.Response{Flags: protocol.FlagEnd, Status: 200, Body: []byte("secret question"),
				Fetch: &protocol.Fetch{URL: "https://api.example/"}})
		})
	})
	if resp, body := h.get("/"); resp.StatusCode != 502 || strings.Contains(body, "secret question") ||
		!strings.Contains(h.logged.String(), "[pool.NAME.fetch] allow") {
		t.Errorf("%s %q\n%s", resp.Status, body, h.logged.String())
	}
	if resp, body := h.get("/header"); body != "x" || resp.Header.Get("X-Worker-Fetch") != "" ||
		resp.Header.Get("X-Other") != "1" {
		t.Errorf("%v %q", resp.Header, body)
	}
}

func TestHeadersAsLargeAsTheyMayBeReachTheClient(t *testing.T) {
	h := start(t, func(c *call) { c.whole(200, "x", "A", strings.Repeat("b", protocol.MaxHeaders-33)) })
	if resp, body := h.get("/"); body != "x" || len(resp.Header.Get("A")) != protocol.MaxHeaders-33 {
		t.Errorf("%s, and %d bytes of a header", resp.Status, len(resp.Header.Get("A")))
	}
}

func TestTrailersThatAreTooLargeAreDroppedWithALineInTheLog(t *testing.T) {
	h := start(t, func(c *call) {
		c.respond(0, 200, []string{"Trailer", "X-T"}, "whole")
		c.data(nil, true, "X-T", strings.Repeat("t", protocol.MaxHeaders))
	})
	resp, body := h.get("/")
	if body != "whole" || len(resp.Trailer.Get("X-T")) > 0 ||
		!strings.Contains(h.logged.String(), "dropped malformed trailers") {
		t.Errorf("%q, trailers of %d bytes\n%s", body, len(resp.Trailer.Get("X-T")), h.logged)
	}
}

func TestHopByHopFieldsOfAResponseStayBehind(t *testing.T) {
	h := start(t, func(c *call) {
		c.whole(200, "x", "Connection", "X-Hop, close", "X-Hop", "1", "Keep-Alive", "2", "Transfer-Encoding",
			"chunked", "Upgrade", "3", "Set-Cookie", "a", "set-cookie", "b")
	})
	resp, body := h.get("/")
	if body != "x" || resp.Header.Get("X-Hop")+resp.Header.Get("Keep-Alive")+resp.Header.Get("Upgrade") != "" ||
		resp.Close || len(resp.TransferEncoding) > 0 {
		t.Errorf("%v %q", resp.Header, body)
	}
	if fmt.Sprint(resp.Header["Set-Cookie"]) != "[a b]" {
		t.Errorf("%v", resp.Header)
	}
	if _, guessed := resp.Header["Content-Type"]; guessed {
		t.Error("a Content-Type was guessed")
	}
}

func TestNamesGoOutAsTheWorkerWroteThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	fields := []string{"ETag", `"x"`, "WWW-Authenticate", "Basic", "X-lower-UPPER", "1", "x-twice", "2", "X-Twice",
		"3", "content-type", "text/plain", "connection", "X-Mine", "x-mine", "4"}
	h := start(t, func(c *call) {
		switch c.request.Target {
		case "/file":
			c.say(func() {
				c.sink.Respond(&protocol.Response{Flags: protocol.FlagEnd | protocol.FlagDone, Status: 200,
					Headers: fields, File: path})
			})
		default:
			c.say(func() { c.sink.Inform(&protocol.Inform{Status: 103, Headers: []string{"LINK", "</a.css>"}}) })
			c.respond(0, 200, fields, "body")
			c.data(nil, true, "X-sum", "5")
		}
	})
	h.backend.traits.FileRoots = []string{filepath.Dir(path)}
	answer := h.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	for _, line := range []string{"LINK: </a.css>", `ETag: "x"`, "WWW-Authenticate: Basic", "X-lower-UPPER: 1",
		"x-twice: 2", "x-twice: 3", "Content-Type: text/plain", "X-sum: 5"} {
		if strings.Count(answer, "\r\n"+line+"\r\n") != 1 {
			t.Errorf("no %q, or several, in\n%s", line, answer)
		}
	}
	if strings.Contains(strings.ToLower(answer), "x-mine") {
		t.Errorf("a field of the link was passed on:\n%s", answer)
	}
	answer = h.raw("GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIf-None-Match: \"x\"\r\n\r\n")
	if !strings.Contains(statusLine(answer), "304") || !strings.Contains(answer, "X-lower-UPPER: 1\r\n") {
		t.Errorf("a file:\n%s", answer)
	}
}

func TestABodyThatBreaksOffIsAborted(t *testing.T) {
	works := map[string]func(c *call){
		"died at once": func(c *call) {
			c.say(func() {
				c.sink.Respond(&protocol.Response{Status: 200, Body: []byte("half")})
				c.sink.Fail(&protocol.Failure{Kind: protocol.FailedDied})
			})
		},
		"died": func(c *call) { c.respond(0, 200, nil, "half"); c.fail(protocol.FailedDied) },
		"died with a length": func(c *call) {
			c.respond(0, 200, []string{"Content-Length", "8"}, "half")
			c.fail(protocol.FailedDied)
		},
		"done": func(c *call) { c.respond(0, 200, nil, "half") },
		"too short": func(c *call) {
			c.respond(0, 200, []string{"Content-Length", "8"}, "half")
			c.data([]byte("x"), true)
		},
		"too long": func(c *call) {
			c.respond(0, 200, []string{"Content-Length", "5"}, "half")
			c.data([]byte("xyz"), true)
		},
		"too long at once": func(c *call) {
			c.respond(0, 200, []string{"Content-Length", "3"}, "half")
			c.data([]byte("xyz"), true)
		},
	}
	for name, work := range works {
		for _, version := range []string{"1.0", "1.1"} {
			h := start(t, work)
			c := h.dial()
			fmt.Fprintf(c, "GET / HTTP/%s\r\nHost: a\r\nConnection: close\r\n\r\n", version)
			all, err := io.ReadAll(c)
			resp, parse := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
			if parse == nil {
				_, parse = io.ReadAll(resp.Body)
			}
			if err == nil && parse == nil && resp.StatusCode != 502 { // it may have failed before the head was sent
				t.Errorf("%s, HTTP/%s: looks whole: %q", name, version, all)
			}
			if !strings.Contains(h.logged.String(), "broke off") {
				t.Errorf("%s, HTTP/%s: nothing in the log: %s", name, version, h.logged.String())
			}
		}
	}
}

// Where the connection's end is the body's, it must not look like one.
func TestABodyOfHTTP10ThatBreaksOffEndsInDisorder(t *testing.T) {
	for _, secure := range []bool{false, true} {
		read := make(chan struct{})
		change := func(*Options) {}
		if secure {
			change = withTLS(t)
		}
		h := start(t, func(c *call) {
			c.respond(0, 200, nil, "half")
			<-read
			c.fail(protocol.FailedDied)
		}, change)
		c := h.dial()
		if secure {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
		in := bufio.NewReader(c)
		for got := ""; !strings.HasSuffix(got, "half"); {
			b, err := in.ReadByte()
			if err != nil {
				t.Fatalf("TLS %v: %q %v", secure, got, err)
			}
			got += string(b)
		}
		close(read)
		if rest, err := io.ReadAll(in); err == nil {
			t.Errorf("TLS %v: looks whole, and ends with %q", secure, rest)
		}
	}
}

func TestEveryFailureHasItsAnswer(t *testing.T) {
	for kind, want := range map[protocol.FailureKind]int{
		protocol.FailedQueueFull: 503, protocol.FailedQueueTimeout: 503, protocol.FailedNoWorker: 503,
		protocol.FailedStopping: 503,
		protocol.FailedTimeout:  504, protocol.FailedDied: 502, protocol.FailedBroken: 502, protocol.FailedReset: 502,
		protocol.FailedDrained: 502, 99: 500,
	} {
		for _, dev := range []bool{false, true} {
			h := start(t, func(c *call) { c.fail(kind) }, func(o *Options) { o.Dev = dev })
			h.backend.traits.RetryAfter = 1500 * time.Millisecond
			resp, body := h.do("GET", "/", nil, "Accept", "text/html,*/*")
			if resp.StatusCode != want || (resp.Header.Get("Retry-After") == "2") != (want == 503) {
				t.Errorf("%s: %s, Retry-After %q", kind, resp.Status, resp.Header.Get("Retry-After"))
			}
			if dev != strings.Contains(body, "secret detail &lt;b&gt;") || strings.Contains(body, "<b>") {
				t.Errorf("%s: dev %v: %s", kind, dev, body)
			}
			if resp, body := h.get("/"); !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") ||
				strings.Contains(body, "<h1>") {
				t.Errorf("%s: %s", kind, body)
			}
		}
	}
}

func TestInformationalResponsesPrecedeTheResponse(t *testing.T) {
	h := start(t, func(c *call) {
		c.say(func() {
			c.sink.Inform(&protocol.Inform{Status: 103, Headers: []string{"Link", "</a.css>", "Connection", "x"}})
		})
		c.say(func() { c.sink.Inform(&protocol.Inform{Status: 103, Headers: []string{"Bad\n", "x"}}) })
		c.say(func() { c.sink.Inform(&protocol.Inform{Status: 101}) })
		<-c.gone // by the test, once it has seen the 103
		c.whole(200, "x")
	})
	var release *call
	var mu sync.Mutex
	work := h.backend.work
	h.backend.work = func(c *call) { mu.Lock(); release = c; mu.Unlock(); work(c) }
	var links []string
	req, _ := http.NewRequest("GET", h.url, nil)
	req = req.WithContext(httptrace.WithClientTrace(req.Context(),
		&httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			links = append(links, fmt.Sprint(code, header))
			mu.Lock()
			release.once.Do(func() { close(release.gone) })
			mu.Unlock()
			return nil
		}}))
	resp, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if fmt.Sprint(links) != "[103 map[Link:[</a.css>]]]" || resp.StatusCode != 200 || resp.Header.Get("Link") != "" {
		t.Errorf("%v, then %s %v", links, resp.Status, resp.Header)
	}
}

func TestEachPieceOfAResponseIsFlushed(t *testing.T) {
	next := make(chan struct{})
	h := start(t, func(c *call) {
		c.respond(0, 200, nil, "")
		for i := range 3 {
			<-next
			c.data([]byte(fmt.Sprint("piece ", i)), false)
		}
		<-next
		c.data(nil, true, "X-Sum", "42", "Content-Length", "9")
	})
	resp, err := h.client.Get(h.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buffer := make([]byte, 7)
	for i := range 3 {
		next <- struct{}{}
		if _, err := io.ReadFull(resp.Body, buffer); err != nil || string(buffer) != fmt.Sprint("piece ", i) {
			t.Fatal(err, string(buffer))
		}
	}
	next <- struct{}{}
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Error(rest, err)
	}
	if resp.Trailer.Get("X-Sum") != "42" || len(resp.Trailer) != 1 {
		t.Errorf("trailers %v", resp.Trailer)
	}
}

func TestAClientThatLeavesCancels(t *testing.T) {
	for _, headed := range []bool{false, true} {
		left := make(chan struct{})
		begun := make(chan struct{})
		h := start(t, func(c *call) {
			if headed {
				c.respond(0, 200, nil, "x")
			}
			close(begun)
			<-c.gone
			close(left)
		})
		c := h.dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-begun
		hangUp(c)
		select {
		case <-left:
		case <-time.After(5 * time.Second):
			t.Fatal("the worker was not told")
		}
	}
}

// flood sends n bytes and their SHA-256 as a trailer.
func flood(c *call, n int) bool {
	c.respond(0, 200, nil, "")
	sum := sha256.New()
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	for sent := 0; sent < n; sent += len(piece) {
		piece[0] = byte(sent >> 16)
		sum.Write(piece)
		if !c.data(piece, false) {
			return false
		}
	}
	return c.data(nil, true, "X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
}

func checkFlood(t *testing.T, resp *http.Response, n int64) {
	t.Helper()
	sum := sha256.New()
	got, err := io.Copy(sum, resp.Body)
	if err != nil || got != n || resp.Trailer.Get("X-Sum") != fmt.Sprintf("%x", sum.Sum(nil)) {
		t.Errorf("%d bytes, %v, trailers %v", got, err, resp.Trailer)
	}
}

func TestALargeDownloadTakesLittleMemoryAndNoDisk(t *testing.T) {
	takesTime(t)
	for _, spool := range []bool{false, true} {
		var most atomic.Int64
		h := start(t, func(c *call) { flood(c, 32<<20) })
		h.backend.traits.Spool = spool
		stop := make(chan struct{})
		var watch sync.WaitGroup
		watch.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
					most.Store(max(most.Load(), h.options.Spool.Used()))
				}
			}
		})
		heap := heapGrowth(func() {
			resp, err := h.client.Get(h.url)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			checkFlood(t, resp, 32<<20)
		})
		close(stop)
		watch.Wait()
		if heap > 24<<20 {
			t.Errorf("spool %v: the heap grew by %d MiB", spool, heap>>20)
		}
		if !raceEnabled && most.Load() > 0 {
			t.Errorf("spool %v: %d bytes went to disk", spool, most.Load())
		}
	}
}

// heapGrowth is the most that the heap was above what it was before, seen every few milliseconds.
func heapGrowth(f func()) int64 {
	// garbage that waits to be collected on a busy machine is not what is asked for
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapInuse, m.HeapInuse
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
	})
	f()
	close(done)
	watch.Wait()
	return int64(most) - int64(before)
}

func TestASlowClientHoldsNoWorkerAndGetsItAll(t *testing.T) {
	const size = 48 << 20
	free := make(chan bool, 1)
	h := start(t, func(c *call) { free <- flood(c, size) }, func(o *Options) { o.Limits.ResponseBuffer = 256 << 10 })
	h.backend.traits.Spool = true
	c := h.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	select { // the client has not read a byte
	case ok := <-free:
		if !ok {
			t.Fatal("the worker was cancelled")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the worker still waits for the client")
	}
	if used := h.options.Spool.Used(); used < size/2 {
		t.Errorf("only %d bytes are on disk", used)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFlood(t, resp, size)
}

func TestPastTheQuotaTheClientsSpeedIsTheWorkers(t *testing.T) {
	const size = 48 << 20
	free := make(chan bool, 1)
	h := start(t, func(c *call) { free <- flood(c, size) }, func(o *Options) {
		o.Limits.ResponseBuffer = 256 << 10
		o.Spool = spool.New(t.TempDir(), 1<<20, o.Logger)
	})
	h.backend.traits.Spool = true
	c := h.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for until := time.Now().Add(20 * time.Second); h.options.Spool.Used() == 0 && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-free:
		t.Error("all of it was taken")
	case <-time.After(500 * time.Millisecond):
	}
	if used := h.options.Spool.Used(); used == 0 || used > 1<<20 {
		t.Errorf("%d bytes on disk", used)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFlood(t, resp, size)
	if !<-free {
		t.Error("cancelled")
	}
}

func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	cut := make(chan struct{})
	h := start(t, func(c *call) {
		flood(c, 64<<20)
		close(cut)
	}, func(o *Options) { o.Limits.WriteTimeout = 300 * time.Millisecond })
	c := h.dial()
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	select {
	case <-cut:
	case <-time.After(10 * time.Second):
		t.Fatal("the worker still waits")
	}
}

func TestASlowReaderIsNotCutOffWhileItReads(t *testing.T) {
	takesTime(t)
	h := start(t, func(c *call) {
		flood(c, 8<<20)
	}, func(o *Options) { o.Limits.WriteTimeout = 400 * time.Millisecond })
	c := h.dial()
	c.(*net.TCPConn).SetReadBuffer(64 << 10)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(slowReader{c}, 16<<10), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFlood(t, resp, 8<<20)
}

type slowReader struct{ io.Reader }

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return s.Reader.Read(p[:min(len(p), 16<<10)])
}
