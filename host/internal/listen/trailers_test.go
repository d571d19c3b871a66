package listen

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// forbiddenTrailers are fields of each kind that RFC 9110 §6.5.1 names.
var forbiddenTrailers = []string{
	"content-length", "transfer-encoding", "te", "trailer", "connection", "upgrade",
	"content-encoding", "content-type", "content-range",
	"host", "max-forwards", "cache-control", "pragma", "if-match", "if-none-match", "if-range", "expect", "range",
	"authorization", "proxy-authorization", "proxy-authenticate", "www-authenticate", "cookie", "set-cookie",
	"age", "date", "expires", "location", "retry-after", "vary",
}

func TestNoTrailerThatMustNotBeOneReachesAWorker(t *testing.T) {
	for _, name := range append(forbiddenTrailers, "x-a") {
		for _, whole := range []bool{true, false} {
			h := start(t, func(c *call) {
				c.readAll()
				if !c.cancelled() && (len(c.trailers) > 0) != (name == "x-a") {
					t.Errorf("whole %v, %s: a worker got the trailers %q", whole, name, c.trailers)
				}
				hello(c)
			})
			h.backend.traits.WholeBody = whole
			h.raw("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + name + ": 1\r\n\r\n")
			c := h.dialH2(noTable...)
			stream := c.open(0, get("trailer", name)...) // undeclared ones net/http leaves out
			c.frame(frameHeaders, endStream|endHeaders, stream, block(name, "1"))
			c.outcome(stream)
			c.Close()
		}
	}
}

func TestNoTrailerThatMustNotBeOneReachesAClient(t *testing.T) {
	var pairs []string
	for _, name := range forbiddenTrailers {
		pairs = append(pairs, name, "1")
	}
	h := start(t, func(c *call) {
		c.respond(0, 200, nil, "")
		c.data([]byte("body"), true, append(pairs, "x-a", "1")...)
	})
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(version == "HTTP/1.1")
		protocols.SetUnencryptedHTTP2(version == "HTTP/2")
		transport := &http.Transport{Protocols: protocols}
		resp, err := (&http.Client{Transport: transport}).Get(h.url)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		transport.CloseIdleConnections()
		if got := fmt.Sprint(resp.Trailer); got != "map[X-A:[1]]" {
			t.Errorf("%s: %s", version, got)
		}
	}
	c := h.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	all, _ := io.ReadAll(bufio.NewReader(c))
	if got := string(all); !strings.HasSuffix(strings.ToLower(got), "\r\n0\r\nx-a: 1\r\n\r\n") {
		t.Errorf("%q", got)
	}
}
