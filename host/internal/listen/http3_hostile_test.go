// Clients of HTTP/3 that mean harm: what RFC 9114 forbids reaches no worker and is told of, and a flood ends its
// connection.

package listen

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workerhost/workerhost/host/internal/web"
)

func TestMalformedRequestsOverHTTP3ReachNoWorker(t *testing.T) {
	change, lines := withAccess(t, "access.log")
	h, _ := startH3(t, hello, change)
	with := func(more ...string) []string { return h3get(more...) }
	cases := map[string][]string{
		"connection":           with("connection", "close"),
		"keep-alive":           with("keep-alive", "1"),
		"transfer-encoding":    with("transfer-encoding", "chunked"),
		"upgrade":              with("upgrade", "websocket"),
		"proxy-connection":     with("proxy-connection", "close"),
		"te":                   with("te", "gzip"),
		"capitals":             with("X-Big", "1"),
		"a blank in a name":    with("x big", "1"),
		"a line feed":          with("x", "a\nb"),
		"a NUL":                with("x", "a\x00b"),
		"a blank at the end":   with("x", "a "),
		"another host":         with("host", "two.test"),
		"two hosts":            with("host", "one.test", "host", "one.test"),
		"a late pseudo header": with("x", "1", ":path", "/again"),
		"two paths":            with(":path", "/again"),
		"an unknown pseudo":    with(":nothing", "1"),
		"a response's pseudo":  with(":status", "200"),
		"no method":            h3get()[2:],
		"no path":              h3get()[:6],
		"no authority":         slices.Concat(h3get()[:4], h3get()[6:]),
		"an empty path":        append(h3get()[:6], ":path", ""),
		"an absolute path":     append(h3get()[:6], ":path", "https://one.test/"),
		"a path without slash": append(h3get()[:6], ":path", "x"),
		"a blank in a path":    append(h3get()[:6], ":path", "/a b"),
		"user information":     append(h3get()[:4], ":authority", "a@one.test", ":path", "/"),
		"no port":              append(h3get()[:4], ":authority", "one.test:99999", ":path", "/"),
		"a method with blanks": append([]string{":method", "GE T"}, h3get()[2:]...),
		"two lengths":          with("content-length", "1", "content-length", "2"),
		"a length of letters":  with("content-length", "x"),
		"a negative length":    with("content-length", "-1"),
		"a tunnel":             {":method", "CONNECT", ":authority", "one.test:443"},
		"a WebSocket":          append([]string{":method", "CONNECT", ":protocol", "websocket"}, h3get()[2:]...),
		"too large":            with("x", strings.Repeat("y", 70<<10)),
		"many fields":          with(slices.Repeat([]string{"a", ""}, 5000)...),
	}
	for name, fields := range cases {
		got := status(h.dialH3().ask(fields...))
		want := "400 H3_MESSAGE_ERROR"
		switch name {
		case "a tunnel", "a WebSocket":
			want = "501"
		case "too large", "many fields":
			want = "431"
		}
		if !strings.Contains(want, got) {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
	if got := status(h.dialH3().ask(h3get("te", "trailers", "host", "one.test")...)); got != "200" {
		t.Error("a good one:", got)
	}
	if n := h.backend.calls.Load(); n != 1 {
		t.Errorf("%d requests reached the workers", n)
	}
	h.Close()
	all := lines()
	if len(all) != len(cases)+1 {
		t.Errorf("%d lines of the access log, expected %d:\n%s", len(all), len(cases)+1, strings.Join(all, "\n"))
	}
	for _, line := range all {
		if !strings.Contains(line, "HTTP/3.0") {
			t.Error(line)
		}
	}
	if refused := h.Refused(); int(refused["malformed"]+refused["too large"]) != len(cases) {
		t.Error(refused)
	}
}

func TestAFloodOverHTTP3EndsItsConnectionAndNoOther(t *testing.T) {
	h, client := startH3(t, func(c *call) {
		if c.request.Target != "/" {
			<-c.gone
			return
		}
		hello(c)
	})
	fetch(t, client, "GET", h.url, nil)
	never := h3frame(1, h3block(append(h3get()[:6], ":path", "/never")...))
	for name, flood := range map[string]func(c *h3client) error{
		"requests taken back": func(c *h3client) error {
			s, err := c.OpenStreamSync(c.Context())
			if err != nil {
				return err
			}
			calls := h.backend.calls.Load()
			s.Write(never)
			s.Close()
			for c.Context().Err() == nil && h.backend.calls.Load() == calls {
				time.Sleep(20 * time.Microsecond) // a head that has not gone yet would be taken back with it
			}
			s.CancelRead(0x10c)
			return nil
		},
		"malformed requests": func(c *h3client) error {
			s, err := c.OpenStreamSync(c.Context())
			if err != nil {
				return err
			}
			s.Write(h3frame(1, h3block(":nothing", "1")))
			s.Close() // fails if the answer was faster
			return nil
		},
		"unknown frames": func(c *h3client) error {
			_, err := c.control.Write(h3frame(0x21, nil))
			return err
		},
		"priorities": func(c *h3client) error {
			_, err := c.control.Write(h3frame(0xf0700, []byte("\x00u=1")))
			return err
		},
		"streams of no use": func(c *h3client) error {
			s, err := c.OpenUniStreamSync(c.Context())
			if err != nil {
				return err
			}
			s.Write([]byte{0x21})
			s.Close()
			return nil
		},
	} {
		c, sent := h.dialH3(), 0
		began := time.Now()
		// one that a busy machine slows down to what is put up with is no flood yet
		isFlood := func() bool { return sent > 2*mostIdleFrames+idleFramesPerSec*int(time.Since(began).Seconds()) }
		for time.Since(began) < time.Minute && (time.Since(began) < 10*time.Second || !isFlood()) && flood(c) == nil {
			sent++
		}
		if !c.ends() {
			t.Errorf("%s: %d were put up with", name, sent)
		} else if cause := context.Cause(c.Context()); !strings.Contains(fmt.Sprint(cause), tooManyFrames) {
			t.Errorf("%s: %v", name, cause)
		}
	}
	if h.Refused()["malformed"] == 0 {
		t.Error(h.Refused())
	}
	for until := time.Now().Add(5 * time.Second); h.Connections() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal(h.Connections(), "connections are left, and one should be")
		}
	}
	if _, body := fetch(t, client, "GET", h.url, nil); body != "Hello, World!" {
		t.Error(body)
	}
}

// ends waits until the connection has ended, one of whose streams may have failed a moment before.
func (c *h3client) ends() bool {
	select {
	case <-c.Context().Done():
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}

func TestEmptyFramesOfABodyAreNotPutUpWith(t *testing.T) {
	h, _ := startH3(t, func(c *call) { c.whole(200, fmt.Sprint(len(c.readAll()))) })
	c := h.dialH3()
	s := c.begin(h3frame(1, h3block(append([]string{":method", "POST"}, h3get()[2:]...)...)))
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		if _, err := s.Write(slices.Repeat(h3frame(0, nil), 100)); err != nil {
			break
		}
	}
	if !c.ends() {
		t.Error("the connection goes on")
	}
}

func TestHeadersAsLargeAsTheyMayBeComeThroughOverHTTP3(t *testing.T) {
	h, _ := startH3(t, func(c *call) { c.whole(200, fmt.Sprint(len(c.header("x")))) },
		shortened(func(l *web.Limits) { l.MaxHeader = 8 << 10 }))
	for size, want := range map[int]string{7 << 10: "200", 9 << 10: "431"} {
		if got := status(h.dialH3().ask(h3get("x", strings.Repeat("y", size))...)); got != want {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
}
