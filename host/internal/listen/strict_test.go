package listen

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/workerhost/workerhost/host/internal/http1"
)

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

// Each is followed by a request that must never be seen: either all of it is refused, or the connection ends behind
// it.
var hostile = []struct {
	name, request, status string
}{
	{"Content-Length and Transfer-Encoding",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
	{"Transfer-Encoding and Content-Length",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"},
	{"two Content-Lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
		"400"},
	{"the same Content-Length twice",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345", "400"},
	{"a list of Content-Lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n12345", "400"},
	{"a signed Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n12345", "400"},
	{"a negative Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", "400"},
	{"a hexadecimal Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n12345", "400"},
	{"an empty Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "400"},
	{"a huge Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\n12345",
		"400"},
	{"a space inside a Content-Length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n12345", "400"},
	{"an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501"},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "501"},
	{"two Transfer-Encodings",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"400"},
	{"Transfer-Encoding: identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "501"},
	{"an empty Transfer-Encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", "501"},
	{"a coding with a vertical tab", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"400"},
	{"Transfer-Encoding in HTTP/1.0",
		"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
	{"a folded header", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", "400"},
	{"a folded Transfer-Encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"400"},
	{"a fold before the first header", "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", "400"},
	{"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n", "400"},
	{"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX-\x00A: b\r\n\r\n", "400"},
	{"a bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-C: d\r\n\r\n", "400"},
	{"bare LFs", "GET / HTTP/1.1\nHost: a\n\n", "400"},
	{"one bare LF", "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n", "400"},
	{"a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400"},
	{"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "400"},
	{"a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n12345", "400"},
	{"a tab before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", "400"},
	{"no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400"},
	{"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX-A\r\n\r\n", "400"},
	{"a name in brackets", "GET / HTTP/1.1\r\nHost: a\r\nX[A]: b\r\n\r\n", "400"},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
	{"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
	{"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
	{"a Host with credentials", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
	{"two names in a Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
	{"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a control character in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a method in brackets", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"no version", "GET /\r\nHost: a\r\n\r\n", "400"},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "400"},
	{"HTTP/3.0", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "400"},
	{"a lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", "400"},
	{"an absolute target of another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"an absolute target with credentials", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"two empty lines before a request", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a bare LF before a request", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a bare CR before a request", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"CR CR LF before a request", "\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"an empty line before a preface", "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
	{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"},
	{"a star for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
	{"a preface that is none", "PRI * HTTP/2.0\r\nHost: a\r\n\r\n", "400"},
	{"a bad chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", "400"},
	{"a signed chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
		"400"},
	{"a chunk size with 0x", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		"400"},
	{"a huge chunk size",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\na\r\n0\r\n\r\n", "400"},
	{"a chunk longer than its size",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "400"},
	{"a chunk extension with a bare LF",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x\na\r\n0\r\n\r\n", "400"},
	{"a chunk size with a bare LF",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", "400"},
	{"a truncated chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n", "400"},
	{"a blank behind a chunk size",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nabcde\r\n0\r\n\r\n", "400"},
	{"a tab behind the last chunk size",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\t\r\n\r\n", "400"},
	{"an extension of nothing",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nabcde\r\n0\r\n\r\n", "400"},
	{"an extension of a blank",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5; \r\nabcde\r\n0\r\n\r\n", "400"},
	{"an extension without a value",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\r\nabcde\r\n0\r\n\r\n", "400"},
	{"an extension with a blank behind it",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b \r\nabcde\r\n0\r\n\r\n", "400"},
	{"two words in an extension",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a b\r\nabcde\r\n0\r\n\r\n", "400"},
	{"NUL in an extension",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\x00b\r\nabcde\r\n0\r\n\r\n", "400"},
	{"NUL in an extension's quotes",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\x00\"\r\nabcde\r\n0\r\n\r\n", "400"},
	{"an open quote in an extension",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\r\nabcde\r\n0\r\n\r\n", "400"},
	{"an escaped quote in an extension",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\\\"\r\nabcde\r\n0\r\n\r\n", "400"},
	{"something behind an extension's quotes",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"c\r\nabcde\r\n0\r\n\r\n", "400"},
	{"an extension of the last chunk without a name",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0;=b\r\n\r\n", "400"},
	{"a bare CR in an extension",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nabcde\r\n0\r\n\r\n", "400"},
	{"a bare LF behind a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
		"400"},
	{"a bare LF behind the last chunk size",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\n\r\n", "400"},
	{"a bare LF at the end of a chunked body",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\n", "400"},
	{"a folded trailer",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: b\r\n c\r\n\r\n", "400"},
	{"a fold before the first trailer",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n X-A: b\r\n\r\n", "400"},
	{"a trailer with a bare LF",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: b\n\r\n", "400"},
	{"a trailer with NUL",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: b\x00\r\n\r\n", "400"},
	{"a trailer with a blank before its colon",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A : b\r\n\r\n", "400"},
	{"a trailer without a colon",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A\r\n\r\n", "400"},
	{"a trailer named Content-Length",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 1\r\n\r\n",
		"400"},
	{"a trailer named Transfer-Encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " +
		"chunked\r\n\r\n1\r\na\r\n0\r\ntransfer-encoding: chunked\r\n\r\n", "400"},
}

func TestNothingAmbiguousReachesAWorker(t *testing.T) {
	h := start(t, func(c *call) {
		t.Errorf("a worker got %s %s", c.request.Method, c.request.Target)
		hello(c)
	})
	h.backend.traits.WholeBody = true
	for _, test := range hostile {
		t.Run(test.name, func(t *testing.T) {
			h := *h
			h.t = t
			got := h.raw(test.request + smuggled)
			if status := strings.Fields(statusLine(got) + " - -")[1]; status != test.status {
				t.Errorf("answered %q, expected %s", statusLine(got), test.status)
			}
			if strings.Count(got, "HTTP/1.1 ") > 1 {
				t.Errorf("a second request was answered: %q", got)
			}
		})
	}
	if n := h.backend.calls.Load(); n != 0 {
		t.Errorf("%d requests reached a worker", n)
	}
}

func TestNothingAmbiguousFollowsAGoodRequest(t *testing.T) {
	var mu sync.Mutex
	var targets []string
	h := start(t, func(c *call) {
		mu.Lock()
		targets = append(targets, c.request.Target)
		mu.Unlock()
		hello(c)
	})
	h.backend.traits.WholeBody = true
	for _, test := range hostile {
		mu.Lock()
		targets = nil
		mu.Unlock()
		got := h.raw("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + test.request + smuggled)
		mu.Lock()
		if fmt.Sprint(targets) != "[/first]" {
			t.Errorf("%s: workers got %q, clients %q", test.name, targets, got)
		}
		mu.Unlock()
		if n := strings.Count(got, "HTTP/1.1 "); n > 2 {
			t.Errorf("%s: %d responses", test.name, n)
		}
	}
}

func TestAConnectionEndsAfterTransferEncoding(t *testing.T) {
	for _, whole := range []bool{true, false} {
		h := start(t, func(c *call) {
			if c.request.Target != "/" {
				t.Errorf("a worker got %s", c.request.Target)
			}
			if got := string(c.readAll()); got != "abc" {
				t.Errorf("body %q", got)
			}
			if c.header("Transfer-Encoding") != "" {
				t.Error("Transfer-Encoding reached the worker")
			}
			hello(c)
		})
		h.backend.traits.WholeBody = whole
		got := h.raw("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\n\r\n" +
			smuggled)
		if !strings.Contains(got, "Connection: close") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("got %q", got)
		}
	}
}

func TestPlainVariantsAreUnderstood(t *testing.T) {
	for _, test := range []struct{ request, target, host string }{
		{"GET /a?b=c HTTP/1.1\r\nHost: h:80\r\nConnection: close\r\n\r\n", "/a?b=c", "h:80"},
		{"GET http://other:81/a?b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "/a?b", "other:81"},
		{"GET http://other HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "/", "other"},
		{"GET http://other?x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "/?x", "other"},
		{"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "*", "h"},
		{"GET / HTTP/1.0\r\n\r\n", "/", ""},
		{"GET / HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: close\r\n\r\n", "/", "[::1]:8080"},
		{"GET /%2e%2e/\xc3\xa9 HTTP/1.1\r\nhOsT:   h   \r\nConnection: close\r\n\r\n", "/%2e%2e/\xc3\xa9", "h"},
		{"GET //x/../y HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "//x/../y", "h"},
	} {
		var target, host string
		h := start(t, func(c *call) {
			target, host = c.request.Target, c.request.Host
			hello(c)
		})
		got := h.raw(test.request)
		if !strings.Contains(statusLine(got), "200") || target != test.target || host != test.host {
			t.Errorf("%q: %s; the worker got target %q, host %q", test.request, statusLine(got), target, host)
		}
	}
}

// TestOneEmptyLineBeforeARequestIsIgnored, as RFC 9112 §2.2 asks of a server.
func TestOneEmptyLineBeforeARequestIsIgnored(t *testing.T) {
	got := make(chan string, 3)
	h := start(t, func(c *call) {
		got <- c.request.Method + string(c.readAll())
		hello(c)
	})
	const in = "\r\nPUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" +
		"\r\nDELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for _, size := range []int{1, 2, 3, len(in)} {
		c := h.dial()
		for rest := in; rest != ""; {
			n := min(size, len(rest))
			io.WriteString(c, rest[:n])
			rest = rest[n:]
		}
		answers, err := io.ReadAll(c)
		if n := strings.Count(string(answers), "HTTP/1.1 200 OK"); n != 3 || err != nil {
			t.Fatalf("in pieces of %d: %d answers, %v, %q", size, n, err, answers)
		}
		if all := <-got + " " + <-got + " " + <-got; all != "PUT\r\n GET DELETE" {
			t.Errorf("in pieces of %d the worker got %q", size, all)
		}
	}
}

func TestPipelinedRequestsAreReadInPiecesOfAnySize(t *testing.T) {
	const in = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: " +
		"4\r\n\r\n\r\n\n\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n" +
		"POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA;a;b = c\t; " +
		"d=\"\\\";\xff\"\r\n0\r\n\r\n\x00\r\n0\n\r\n0;z\r\nX-A: b\r\nX-B:\r\n\r\n"
	for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)),
		iotest.HalfReader(strings.NewReader(in))} {
		s := scanner{limit: 1 << 10}
		buffer := make([]byte, 7)
		for {
			n, err := r.Read(buffer)
			if good, wrong := s.feed(buffer[:n]); wrong != "" || good != n {
				t.Fatal(wrong)
			}
			if err != nil {
				break
			}
		}
		if s.state != anything {
			t.Errorf("ended in state %d", s.state)
		}
	}
}

func TestTooLargeAHeadIs431(t *testing.T) {
	h := start(t, hello, func(o *Options) { o.Limits.MaxHeader = 4 << 10 })
	if got := h.raw("GET / HTTP/1.1\r\nHost: a\r\nX-A: " + strings.Repeat("a", 16<<10) +
		"\r\n\r\n"); !strings.Contains(statusLine(got), "431") {
		t.Errorf("one long line: %s", statusLine(got))
	}
	if got := h.raw("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: b\r\n", 4<<10) +
		"\r\n"); !strings.Contains(statusLine(got), "431") {
		t.Errorf("many lines: %s", statusLine(got))
	}
}

func TestHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"": true, "a": true, "a.b-c_d~e": true, "a:80": true, "a:": true, "127.0.0.1:1": true, "[::1]": true,
		"[::1]:80": true, "a:65535": true, "[::ffff:1.2.3.4]:8": true,
		"a:b": false, "a:80:80": false, "[::1": false, "[x]": false, "[::1]80": false, "a b": false, "a\\b": false,
		"a?b": false, "é": false, "a%00": false, "a:999999": false, "a:65536": false, "[::1]:70000": false,
	} {
		if http1.ValidHost(host) != ok {
			t.Errorf("%q: expected %v", host, ok)
		}
	}
}

func FuzzScannerAgreesWithItselfInPieces(f *testing.F) {
	for _, test := range hostile {
		f.Add([]byte(test.request), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if size <= 0 {
			return
		}
		whole, pieces := scanner{limit: 1 << 10}, scanner{limit: 1 << 10}
		once := bytes.Clone(in)
		good, wrong := whole.feed(once)
		var passed []byte
		said := ""
		for rest := bytes.Clone(in); len(rest) > 0 && said == ""; {
			p := rest[:min(len(rest), size)]
			rest = rest[len(p):]
			var n int
			n, said = pieces.feed(p)
			passed = append(passed, p[:n]...)
		}
		if !bytes.Equal(passed, once[:good]) || said != wrong || whole.state != pieces.state {
			t.Errorf("whole: %q %q; in pieces of %d: %q %q", once[:good], wrong, size, passed, said)
		}
	})
}
