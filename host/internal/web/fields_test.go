package web

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/workerhost/workerhost/host/internal/http1"
)

// FuzzAPlainHeadIsForwardedAsNetHTTPHasIt also finds what is plain and breaks a rule: it is not held to them.
func FuzzAPlainHeadIsForwardedAsNetHTTPHasIt(f *testing.F) {
	for _, fields := range []string{
		"", "b: 1\r\na: 2\r\nB: 3\r\n", "Te: gzip\r\nte: trailers;q=1\r\nTE: trailers\r\n",
		"Connection: keep-alive\r\nKeep-Alive: 5\r\n", "Connection: close\r\nClose: 1\r\nClosed: 2\r\n",
		"Proxy: x\r\nX-Worker-Warmup: 1\r\nX-Worker-Shadow: 1\r\nX-Worker-Cron: a\r\nX_y: 1\r\nx-Y: 2\r\nEmpty:\r\n" +
			"Proxy-Connection: x\r\n",
		"Content-Length: 0\r\nCookie: a\r\ncookie: b\r\nX-Request-Id: 1\r\nX-Request-Id: 2\r\n",
	} {
		f.Add([]byte("GET /a?b HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var head http1.Head
		if head.Parse(b) != http1.Plain {
			return
		}
		read := func() *http.Request {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
			if err != nil {
				t.Fatalf("%q: %v", b, err)
			}
			return r
		}
		text := string(b[:head.Size])
		listed := func() *visit {
			r := &http.Request{Header: http.Header{}}
			v := &visit{terms: new(terms), r: r, listed: appendPlain(nil, &head, text)}
			v.dropNamed()
			return v
		}
		unlisted := func() *visit {
			v := &visit{terms: new(terms), r: read()}
			v.dropNamed()
			return v
		}
		want := appendForwarded(nil, appendFields(nil, unlisted().r.Header))
		if got := appendForwarded(nil, listed().listed); !slices.Equal(got, want) {
			t.Errorf("%q: %q, and off the lane %q", b, got, want)
		}
		if got := appendForwarded(nil, appendFields(nil, listed().header())); !slices.Equal(got, want) {
			t.Errorf("%q: as a map %q, and off the lane %q", b, got, want)
		}
		off := unlisted()
		for name := range unlisted().r.Header {
			one, other := listed(), unlisted()
			value, n := one.first(name)
			if v, k := other.first(name); v != value || k != n || n == 0 || v != off.value(name) {
				t.Errorf("%q: %s is %q of %d, and off the lane %q of %d", b, name, value, n, v, k)
			}
			this := func(other string) bool { return other == name }
			one.remove(this)
			other.remove(this)
			if _, n := one.first(name); n > 0 {
				t.Errorf("%q: %s is still there", b, name)
			}
			left := appendForwarded(nil, appendFields(nil, other.r.Header))
			if got := appendForwarded(nil, one.listed); !slices.Equal(got, left) {
				t.Errorf("%q: without %s %q, and off the lane %q", b, name, got, left)
			}
		}
		if target, status, wrong := check(off.r); status != 0 || target != head.Target(text) {
			t.Errorf("%q: %d, %s, %q", b, status, wrong, target)
		}
	})
}

// On the lane the map has nothing until header has made it.
func TestHeadersOfRequestsAreAskedOfTheirVisit(t *testing.T) {
	// these see what net/http has read, or make the map
	mayAsk := []string{"fields.go", "pending.go", "refusals.go", "request.go", "rules.go", "websocket_upgrade.go"}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	asks := regexp.MustCompile(`\br\.(Header\b|BasicAuth|Cookie|FormValue|Referer|UserAgent)`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if match, _ := filepath.Match("*_test.go", name); match || slices.Contains(mayAsk, name) {
			continue
		}
		if at := asks.FindIndex(text); at != nil {
			line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
			t.Errorf("%s:%d asks the request, which has no header on the lane: ask its visit", name, line)
		}
	}
}
